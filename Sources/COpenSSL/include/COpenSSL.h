// OpenSSL 3.0 as Swift can call it: plain functions in place of macros and opaque types in place of OpenSSL's headers.
#pragma once

#include "COpenSSLCertificate.h"
#include "COpenSSLDigest.h"
#include "COpenSSLErrors.h"
#include "COpenSSLMake.h"
#include "COpenSSLSignature.h"
#include "COpenSSLTLS.h"
#include "COpenSSLVerify.h"
