#include "transport/zmq/zap.h"

#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

#include <cerrno>
#include <stdexcept>
#include <string>
#include <vector>

#include "config/process/invariant.h"
#include "transport/zmq/socket_setup.h"

namespace stampede::transport {

namespace {

constexpr const char* kEndpoint = "inproc://zeromq.zap.01";
constexpr std::size_t kFieldsMax = 16;

// One request, field by field: version, request id, domain, address, identity, mechanism, key.
enum Field { kVersion, kRequestId, kDomain, kAddress, kIdentity, kMechanism, kKey, kFields };

std::vector<std::string> receive_fields(void* socket) {
  std::vector<std::string> fields;
  int more = 1;
  while (more != 0) {
    zmq_msg_t part;
    zmq_msg_init(&part);
    const int size = zmq_msg_recv(&part, socket, ZMQ_DONTWAIT);
    if (size >= 0 && fields.size() < kFieldsMax)
      fields.emplace_back(static_cast<const char*>(zmq_msg_data(&part)), zmq_msg_size(&part));
    more = size >= 0 ? zmq_msg_more(&part) : 0;
    zmq_msg_close(&part);
  }
  return fields;
}

void send_fields(void* socket, const std::vector<std::string>& fields) {
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const int flags = ZMQ_DONTWAIT | (i + 1 < fields.size() ? ZMQ_SNDMORE : 0);
    static_cast<void>(zmq_send(socket, fields[i].data(), fields[i].size(), flags));
  }
}

}  // namespace

// --- who may come in -------------------------------------------------------------------------

AllowList::AllowList(const CurveOptions& curve) : own_(key_bytes(curve.own.public_key)) {
  for (const auto& key : curve.clients) clients_.insert(key_bytes(key));
  for (const auto& key : curve.trusted) trusted_.insert(key_bytes(key));
}

bool AllowList::admits(std::string_view domain, std::string_view key) const {
  if (key.size() != kKeyBytes) return false;
  if (domain == kNodesDomain) return key == own_;
  if (domain == kClientsDomain) return key == own_ || clients_.contains(std::string(key));
  return false;
}

bool AllowList::trusts(std::string_view key) const {
  return key == own_ || trusted_.contains(std::string(key));
}

// --- the thread --------------------------------------------------------------------------------

ZapHandler::ZapHandler(void* context, const CurveOptions& curve)
    : allowed_(std::make_shared<const AllowList>(curve)),
      wake_event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  STAMPEDE_ASSERT(wake_event_ >= 0, "no eventfd to be had");
  socket_ = zmq_socket(context, ZMQ_REP);
  if (socket_ == nullptr) fail_zmq("zmq_socket");
  set_option(socket_, ZMQ_LINGER, 0);
  if (zmq_bind(socket_, kEndpoint) != 0) {
    const std::string why = zmq_strerror(zmq_errno());
    zmq_close(socket_);
    ::close(wake_event_);
    throw std::runtime_error(std::string("cannot bind ") + kEndpoint + ": " + why);
  }
}

ZapHandler::~ZapHandler() {
  ended_.store(true);
  wake();
  if (thread_.joinable()) thread_.join();
  zmq_close(socket_);
  ::close(wake_event_);
}

void ZapHandler::start_thread() {
  thread_ = std::thread([this] { run([this] { return !ended_.load(); }); });
}

void ZapHandler::wake() {
  ::eventfd_write(wake_event_, 1);
}

void ZapHandler::allow(const CurveOptions& curve) {
  auto list = std::make_shared<const AllowList>(curve);
  const std::lock_guard guard(lock_);
  allowed_ = std::move(list);
}

std::shared_ptr<const AllowList> ZapHandler::allowed() const {
  const std::lock_guard guard(lock_);
  return allowed_;
}

void ZapHandler::run(const std::function<bool()>& go_on) {
  zmq_pollitem_t items[] = {{nullptr, wake_event_, ZMQ_POLLIN, 0}, {socket_, 0, ZMQ_POLLIN, 0}};
  for (;;) {
    if (zmq_poll(items, 2, -1) < 0) {
      if (zmq_errno() == EINTR) continue;
      return;  // the context ends; from here on nobody is let in
    }
    if (items[0].revents != 0) {
      eventfd_t ignored = 0;
      static_cast<void>(::eventfd_read(wake_event_, &ignored));
      if (!go_on()) return;
    }
    if (items[1].revents != 0) answer_one();
  }
}

void ZapHandler::answer_one() {
  const auto fields = receive_fields(socket_);
  if (fields.size() < 2) return;
  const auto list = allowed();
  const bool admitted = fields.size() == kFields && fields[kVersion] == "1.0" &&
                        fields[kMechanism] == "CURVE" &&
                        list->admits(fields[kDomain], fields[kKey]);
  ++(admitted ? admitted_ : refused_);
  const auto* user = !admitted ? "" : list->trusts(fields[kKey]) ? kTrustedPeer : kKnownPeer;
  send_fields(socket_, {"1.0", fields[kRequestId], admitted ? "200" : "400",
                        admitted ? "OK" : "this key is not allowed here", user, ""});
}

}  // namespace stampede::transport
