#include "actors/webapp/http/http_json.h"

#include "actors/protocol/sf1.h"

namespace stampede::actors {

std::string to_text(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json queued_json(std::string_view id) {
  return {{"id", id}, {"state", to_text(State::queued)}};
}

Json answer_json(std::string_view id, const Answer& answer) {
  Json json = {{"id", id}, {"state", to_text(answer.state)}};
  if (answer.state == State::confirmed) json["order_id"] = std::to_string(answer.lsn);
  if (answer.state == State::rejected) json["reason"] = storage::to_text(answer.reason);
  json["item"] = answer.item;
  json["qty"] = answer.qty;
  if (answer.left) json["left"] = *answer.left;
  json["stored"] = answer.stored;
  if (answer.replayed) json["replayed"] = true;
  if (answer.unit_price_cents != 0) json["unit_price_cents"] = answer.unit_price_cents;
  if (answer.promo != kNoNumber) json["promo"] = answer.promo;
  if (answer.fulfilment == storage::Fulfilment::none) return json;
  json["fulfilment"] = storage::to_text(answer.fulfilment);
  if (answer.fulfilment == storage::Fulfilment::unpaid) json["pay_by"] = answer.at_ms;
  return json;
}

namespace {

Json promo_json(const ShownPromo& promo, const std::string& name) {
  return {{"id", promo.promo},
          {"name", name},
          {"price_cents", promo.price_cents},
          {"starts_at", promo.starts_at_ms},
          {"ends_at", promo.ends_at_ms},
          {"state", to_text(promo.state)},
          {"ticket", storage::ticket_text(promo.ticket)}};
}

}  // namespace

Json item_json(const HttpItem& item) {
  Json json = {{"item", item.item}};
  each_term(
      [&](const storage::Term& term, const auto& value) {
        if (term.shown) json[std::string(term.name)] = value;
      },
      item.terms);
  json["left"] = item.left;
  json["sold"] = sold(item.terms.total, item.left);
  json["seq"] = std::to_string(item.seq);
  json["state"] =
      item_state({item.item, view_of(item.terms), item.left, item.seq, {}, view_of(item.sale)});
  json["sale"] = sale_mode(item.sale.promo_only);
  if (!item.sale.description.empty()) json["description"] = item.sale.description;
  if (!item.sale.image_url.empty()) json["image_url"] = item.sale.image_url;
  if (item.promo) json["promo"] = promo_json(*item.promo, item.promo_name);
  return json;
}

}  // namespace stampede::actors
