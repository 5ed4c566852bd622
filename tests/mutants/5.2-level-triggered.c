/* caught by: the server never came to rest */
/* on: ex2_room_is_no_reason_to_wake */
static void watch(struct conn *c)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP, .data.ptr = c };

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event))
		conn_close(c);
}
/* ---- */
/* as solved */
