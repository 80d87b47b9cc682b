#include "transport/port/port.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>
#include <system_error>
#include <tuple>
#include <utility>

#include "transport/port/caught_error.h"
#include "transport/port/port_loop.h"

namespace stampede::transport {

PortActor::PortActor(caf::actor_config& config, Context* context, std::unique_ptr<PortRole> role)
    : blocking_actor(config),
      context_(*context),
      role_(std::move(role)),
      mail_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (mail_fd_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
}

PortActor::~PortActor() {
  ::close(mail_fd_);
}

// Many mails cost one write: the flag falls only when the mailbox is about to be emptied.
void PortActor::enqueue(caf::mailbox_element_ptr mail, caf::execution_unit* unit) {
  blocking_actor::enqueue(std::move(mail), unit);
  if (!armed_.exchange(true)) static_cast<void>(::eventfd_write(mail_fd_, 1));
}

void PortActor::act() {
  if (auto thrown = caught_error([this] { run(); })) fail_state(std::move(thrown));
  handler_ = {};
  role_.reset();
}

void PortActor::run() {
  PortLoop loop(*this, context_, mail_fd_);
  role_->start(loop);
  handler_ = role_->mail(loop);
  while (!loop.stopped() && !killed_) round(loop);
  if (exit_reason_ != caf::exit_reason::kill) role_->finish(loop);
  fail_state(exit_reason_);
}

void PortActor::round(PortLoop& loop) {
  loop.wait(!mail_left_);
  if (!mail_left_) loop.use_quiet(*role_);
  if (loop.mail_signalled() || mail_left_) take_mail();
  if (killed_) return;
  loop.take_messages(*role_);
  loop.fire_timers(*role_);
  role_->end_of_round(loop);
}

void PortActor::take_mail() {
  eventfd_t ignored = 0;
  static_cast<void>(::eventfd_read(mail_fd_, &ignored));
  armed_ = false;  // before the mailbox is looked at, or a wake-up could be lost
  for (int taken = 0; taken < kMailsPerRound && !killed_; ++taken) {
    const caf::mailbox_element_ptr mail = dequeue();
    if (mail == nullptr) {
      mail_left_ = false;
      return;
    }
    current_mailbox_element(mail.get());
    deliver(*mail);
    current_mailbox_element(nullptr);
  }
  mail_left_ = true;
}

// CAF 0.17.6's own has the two queues the wrong way round, so an urgent kill would come last there;
// and it waits.
caf::mailbox_element_ptr PortActor::dequeue() {
  mailbox().fetch_more();
  auto& queues = mailbox().queue().queues();
  auto mail = std::get<caf::message_id::urgent_message_category>(queues).take_front();
  if (mail == nullptr)
    mail = std::get<caf::message_id::normal_message_category>(queues).take_front();
  return mail;
}

void PortActor::deliver(caf::mailbox_element& mail) {
  auto& content = mail.content();
  if (content.match_elements<caf::exit_msg>()) {
    exit_reason_ = content.get_as<caf::exit_msg>(0).reason;
    killed_ = true;
    return;
  }
  const auto result = handler_(content);
  if (!result)
    std::fprintf(stderr, "port: nobody handles the mail %s\n", content.stringify().c_str());
  if (mail.mid.is_request()) respond(mail, result);
}

void PortActor::respond(caf::mailbox_element& mail, const caf::optional<caf::message>& result) {
  if (!mail.sender) return;
  auto answer = result ? *result : caf::make_message(make_error(caf::sec::unexpected_message));
  mail.sender->get()->enqueue(ctrl(), mail.mid.response_id(), std::move(answer), context());
}

}  // namespace stampede::transport
