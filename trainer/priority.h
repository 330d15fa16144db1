/* priority: training runs when nobody else on the machine wants to.
 *
 * Thread: any.
 */
#ifndef TRAINER_PRIORITY_H
#define TRAINER_PRIORITY_H

/* The calling thread runs from now on when nobody else on the machine wants to: a processor where it runs counts as idle
 * (SCHED_IDLE, sched(7)). How it ends its turns is trainer/turn's. */
void priority_give_way(void);

/* Where the kernel weighs sessions (autogroups, sched(7)) this process's, if it leads one, weighs as little as the trainer's
 * container in docker-compose.yml: nice counts inside of it only. Before the sandbox, from which /proc belongs to root. */
void priority_give_way_as_session(void);

#endif
