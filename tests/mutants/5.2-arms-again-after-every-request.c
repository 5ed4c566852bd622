/* caught by: expected 1 epoll_ctl */
/* on: ex2_one_call_for_a_whole_life */
static void watch(struct conn *c)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c };
	int how = c->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	c->events = event.events;
	if (c->fd >= 0 && epoll_ctl(epoll_fd, how, c->fd, &event))
		conn_close(c);
}
/* ---- */
			watch(c);
