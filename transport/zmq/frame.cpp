#include "transport/zmq/frame.h"

#include <zmq.h>

#include <cstring>
#include <memory>
#include <new>
#include <stdexcept>
#include <utility>

namespace stampede::transport {

namespace {

// Below this a copy into ZeroMQ's own buffer costs less than the two allocations of a handed-over
// one.
constexpr std::size_t kAdoptBytesMin = 4096;

zmq_msg_t* message_at(unsigned char* storage) {
  return std::launder(reinterpret_cast<zmq_msg_t*>(storage));
}

void free_string(void*, void* hint) {
  delete static_cast<std::string*>(hint);
}

void init_empty(unsigned char* storage) {
  zmq_msg_init(::new (storage) zmq_msg_t);  // never fails
}

}  // namespace

Frame::Frame() {
  static_assert(sizeof(zmq_msg_t) <= sizeof(storage_) && alignof(zmq_msg_t) <= 8,
                "storage_ must hold a zmq_msg_t");
  init_empty(storage_);
}

Frame::Frame(std::string_view bytes) {
  if (zmq_msg_init_size(::new (storage_) zmq_msg_t, bytes.size()) != 0) throw std::bad_alloc();
  if (!bytes.empty()) std::memcpy(zmq_msg_data(message_at(storage_)), bytes.data(), bytes.size());
}

Frame::Frame(Frame&& other) noexcept {
  init_empty(storage_);
  zmq_msg_move(message_at(storage_), message_at(other.storage_));
}

Frame& Frame::operator=(Frame&& other) noexcept {
  if (this != &other) zmq_msg_move(message_at(storage_), message_at(other.storage_));
  return *this;
}

Frame::~Frame() {
  zmq_msg_close(message_at(storage_));
}

Frame Frame::adopt(std::string&& bytes) {
  if (bytes.size() < kAdoptBytesMin) return Frame(std::string_view(bytes));
  auto owner = std::make_unique<std::string>(std::move(bytes));
  Frame frame;  // an empty zmq_msg_t holds nothing, so it may be initialised again
  if (zmq_msg_init_data(message_at(frame.storage_), owner->data(), owner->size(), &free_string,
                        owner.get()) != 0)
    throw std::bad_alloc();
  static_cast<void>(owner.release());
  return frame;
}

Frame Frame::share() {
  Frame copy;
  if (zmq_msg_copy(message_at(copy.storage_), message_at(storage_)) != 0)
    throw std::runtime_error("a ZeroMQ message cannot be shared");
  return copy;
}

std::string_view Frame::bytes() const {
  zmq_msg_t* message = message_at(storage_);
  return {static_cast<const char*>(zmq_msg_data(message)), zmq_msg_size(message)};
}

std::string_view Frame::peer_address() const {
  return metadata("Peer-Address");
}

std::string_view Frame::peer_key() const {
  return metadata("User-Id");
}

std::string_view Frame::metadata(const char* name) const {
  const char* const text = zmq_msg_gets(message_at(storage_), name);
  return text == nullptr ? std::string_view{} : std::string_view(text);
}

}  // namespace stampede::transport
