// Shows ThreadSanitizer what it cannot see: Synchronization.Mutex takes and gives back a contended lock inside the Swift library, which
// is not instrumented, so that what one thread did under the lock does not seem to come before what the next one does. Loaded before
// everything else (LD_PRELOAD) by `run`; does nothing in programs without ThreadSanitizer.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>

// sanitizer/tsan_interface.h
extern void __tsan_acquire(void *address) __attribute__((weak));
extern void __tsan_release(void *address) __attribute__((weak));

#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

typedef __attribute__((swiftcall)) void (*locking)(uint32_t, __attribute__((swift_context)) void *);
typedef __attribute__((swiftcall)) void (*unlocking)(__attribute__((swift_context)) void *);

__attribute__((swiftcall)) void martlet_lock(uint32_t owner, __attribute__((swift_context)) void *handle) __asm__(LOCK);
__attribute__((swiftcall)) void martlet_unlock(__attribute__((swift_context)) void *handle) __asm__(UNLOCK);

__attribute__((swiftcall)) void martlet_lock(uint32_t owner, __attribute__((swift_context)) void *handle) {
    ((locking)dlsym(RTLD_NEXT, LOCK))(owner, handle);
    if (__tsan_acquire) __tsan_acquire(handle);
}

__attribute__((swiftcall)) void martlet_unlock(__attribute__((swift_context)) void *handle) {
    if (__tsan_release) __tsan_release(handle);
    ((unlocking)dlsym(RTLD_NEXT, UNLOCK))(handle);
}
