#pragma once

// A guard against one fault of libzmq (4.3.4, and newer ones): a peer that resets its connection
// while the socket's queue is full makes the library abort the process (`!_io_error` in
// stream_engine_base.cpp), at its next heartbeat or at a PING that was already read. Any stranger
// can bring that about within milliseconds, at every port.
//
// It happens because epoll reports a hang-up even of a descriptor that nobody wants to read now.
// So this program has its own epoll_wait, which libzmq is linked to: it hides hang-ups (EPOLLERR,
// EPOLLHUP). None is missed: whoever waits for input or output is told so (EPOLLIN, EPOLLOUT) and
// meets the error when it reads or writes; whoever waits for neither learns of it when it does.

namespace stampede::transport {

// Whether the libraries of this process call the guard. Every thread.
[[nodiscard]] bool epoll_is_guarded();

// The calling thread's next epoll_wait rests for a moment, if it did not rest just now: a
// descriptor stays readable though it is not read.
void pause_after_round();

}  // namespace stampede::transport
