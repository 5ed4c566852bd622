/*
 * options.h: a server's command line. Part of start-up, the same on every system.
 */
#ifndef CROSSINGS_OPTIONS_H
#define CROSSINGS_OPTIONS_H

#include <stdnoreturn.h>

/* What read_options() (startup.h) has found, or the defaults. */
extern const char *program; /* without its directory */
extern const char *host;
extern long port, backlog; /* the kernel cuts the backlog, on Linux to net.core.somaxconn */
extern long pace;	   /* loops in a microsecond of burn_us(); 0: to be measured */

/* Says "SERVER: OPTION TROUBLE. Try --help." on stderr and exits with 2. */
noreturn void usage_error(const char *option, const char *trouble);

#endif
