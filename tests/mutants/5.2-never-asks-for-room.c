/* caught by: the slow client */
/* on: ex2_one_call_for_a_whole_life */
static void watch(struct conn *c)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = c };

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event))
		conn_close(c);
}
/* ---- */
/* as solved */
