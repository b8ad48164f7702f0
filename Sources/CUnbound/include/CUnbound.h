// libunbound as its header has it: nothing of it needs a shim.
#pragma once
#include <unbound.h>
