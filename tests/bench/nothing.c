/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The program that does nothing, by nothing: static and without libc, whose start alone would be a good part of what is
 * measured. */

#include <asm/unistd.h>

_Noreturn void _start(void);

_Noreturn void _start(void)
{
#if defined __x86_64__
        __asm__ volatile("syscall" : : "a"(__NR_exit_group), "D"(0) : "rcx", "r11", "memory");
#elif defined __aarch64__
        register long number __asm__("x8") = __NR_exit_group, status __asm__("x0") = 0;
        __asm__ volatile("svc 0" : : "r"(number), "r"(status) : "memory");
#else
#error "how does a program end on this architecture?"
#endif
        __builtin_unreachable();
}
