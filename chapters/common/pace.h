/*
 * pace.h: how fast this machine computes, measured once, so that burn_us()
 * (startup.h) needs no clock. Part of start-up, the same on every system.
 */
#ifndef CROSSINGS_PACE_H
#define CROSSINGS_PACE_H

/* A clock that never goes back, in microseconds. Each system's start-up has its own. */
double now_us(void);

/*
 * Takes some milliseconds of CPU, unless --pace was given: where cores share
 * what they compute with, as hyper-threads do, each start measures another
 * pace, and servers that are to be compared should not. Call it before the
 * first burn_us().
 */
void measure_pace(void);

#endif
