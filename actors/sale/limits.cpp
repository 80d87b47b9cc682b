#include "actors/sale/limits.h"

#include "actors/sale/item_table.h"
#include "actors/sale/promo_table.h"
#include "actors/sale/ticket_table.h"

namespace stampede::actors {

namespace {

std::string with_value(std::string_view limit, std::uint64_t value) {
  return std::string(limit) + " = " + std::to_string(value);
}

}  // namespace

LimitTexts::LimitTexts(const LimitValues& values)
    : entries_{{
          {limit::kWaiting, with_value(limit::kWaiting, values.waiting_max) +
                                " requests are open in this webapp; try again"},
          {limit::kShare,
           "this client has its share of the requests that may be open in this webapp (" +
               with_value(limit::kWaiting, values.waiting_max) +
               ", nearly all in use); wait for its answers, then try again"},
          {limit::kPages,
           "as many pages of items as may be open at once are being made; try again"},
          {limit::kInFlight, with_value(limit::kInFlight, values.inflight_max) +
                                 " orders wait for the backend; try again"},
          {limit::kBacklog, with_value(limit::kBacklog, values.backlog_commands_max) +
                                " commands wait for the database, which is away or slow; try again "
                                "when it has caught up"},
          {limit::kOrders, with_value(limit::kOrders, values.orders_max) +
                               " request ids are remembered and no more are taken; trying again "
                               "does not help before that is raised"},
          {limit::kItems, std::to_string(ItemTable::kItemsMax - 1) +
                              " items are the most there may be; trying again does not help"},
          {limit::kPromos, std::to_string(PromoTable::kPromosMax) +
                               " promos are the most there may be; trying again does not help"},
          {limit::kTickets, std::to_string(TicketTable::kTicketsMax) +
                                " tickets are the most that may be live at once; try again when "
                                "some are used or over"},
          {limit::kTokens,
           "as many new session tokens as may wait, of all or of one connection, are "
           "being looked at; try again"},
          {limit::kRevoked, with_value(limit::kRevoked, values.revoked_max) +
                                " sessions have ended before their tokens expire; try again when "
                                "some have expired"},
          {limit::kSessionEnds,
           "this webapp was not told yet which sessions have ended; try again"},
          {limit::kLogRoom,
           "the disk of the command log (log.dir) is full; try again when there is room"},
      }} {}

std::string_view LimitTexts::text(std::string_view limit) const {
  for (const auto& entry : entries_)
    if (entry.limit == limit) return entry.text;
  return {};
}

std::string_view limit_of(Standstill standstill) {
  switch (standstill) {
    case Standstill::log_room:
      return limit::kLogRoom;
    case Standstill::backlog:
      return limit::kBacklog;
    case Standstill::none:
      break;
  }
  return {};
}

}  // namespace stampede::actors
