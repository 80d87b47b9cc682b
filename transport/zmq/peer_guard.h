#pragma once

// A guard in front of libzmq: this program has its own recv, send, accept4, listen and close, which
// libzmq is linked to (as with epoll_guard.h), so that what a peer sends is judged before libzmq
// sees it and what it may take of this process is bounded (peer_table.h, transport/zmtp). Only
// connections to listeners that were bound inside a GuardedBind are looked at; every other
// descriptor costs one look into a table.
//
// Beyond that, errors that only say "not now" but end the process inside libzmq (no memory for a
// socket, an error of a connection that waited to be accepted) become those that it forgives.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "transport/zmq/frame.h"
#include "transport/zmq/peer_table.h"

namespace stampede::transport {

// Whether the libraries of this process call the guard. Every thread.
[[nodiscard]] bool peers_are_guarded();

// While it lives, a listener that this thread makes is guarded by these rules.
class GuardedBind {
 public:
  explicit GuardedBind(const StreamRules& rules);
  ~GuardedBind();
  GuardedBind(const GuardedBind&) = delete;
  GuardedBind& operator=(const GuardedBind&) = delete;
};

// For the socket that takes requests: so many bytes were taken; nothing waits. While more than some
// megabytes wait, those who send much are not read.
void note_taken(std::size_t bytes);
void note_nothing_left();

// For the socket that takes subscriptions: none waits. While some thousands wait, those who
// subscribe to much are not read.
void note_no_topic_left();

// What a subscriber that ends costs (TopicCount::looks()), and whether there is no room for more
// topics now. See PeerTable::may_end().
void note_topics(std::size_t looks, bool full);
// Subscribers that wait for their end; topics that those made up who ended or were cut, and that
// libzmq has still.
[[nodiscard]] std::size_t ends_waiting();
[[nodiscard]] std::size_t topics_leaving();

// Something is published under this topic: from now on who subscribes to it makes up nothing.
void note_known_topic(std::string_view topic);

// Ends the connection whose peer made up most topics, of all publishers of this process, and
// returns how many (topic_units); 0: there is none. Every thread; costs a look at all connections.
std::uint32_t cut_most_topics();

// Connections that were ended because of what the peer did. Every thread.
[[nodiscard]] std::uint64_t peers_cut();

// The connection that a received part came over, if it is a guarded one. A few hundred
// instructions: for requests whose answers are large.
[[nodiscard]] PeerId peer_of(Frame& part);

[[nodiscard]] bool is_connected(const PeerId& peer);  // and not cut

// A copy of the bytes that counts for the peer as long as libzmq keeps it. A peer for whom too much
// waits is cut, and when too much waits for all, the one for whom most does.
[[nodiscard]] Frame charged_frame(std::string_view bytes, const PeerId& peer);

}  // namespace stampede::transport
