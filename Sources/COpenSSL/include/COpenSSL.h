// OpenSSL 3.0 as Swift can call it: plain functions in place of macros, and no logic beyond what must be C.
#pragma once

#include "COpenSSLDigest.h"
