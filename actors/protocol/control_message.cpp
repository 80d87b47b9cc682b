#include "actors/protocol/control_message.h"

#include <cstdint>

namespace stampede::actors {

namespace {

using nlohmann::json;

// Reads and keeps nothing; stops at the first container that lies too deep.
class DepthCheck final : public nlohmann::json_sax<json> {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(std::int64_t) override { return true; }
  bool number_unsigned(std::uint64_t) override { return true; }
  bool number_float(double, const std::string&) override { return true; }
  bool string(std::string&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return ++depth_ <= kControlDepthMax; }
  bool key(std::string&) override { return true; }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return ++depth_ <= kControlDepthMax; }
  bool end_array() override { return close(); }
  bool parse_error(std::size_t, const std::string&, const json::exception&) override {
    return false;
  }

 private:
  bool close() {
    --depth_;
    return true;
  }
  std::size_t depth_ = 0;
};

}  // namespace

std::string pack_control(const json& map) {
  std::string bytes;
  json::to_msgpack(map, bytes);
  return bytes;
}

json unpack_control(std::string_view bytes) {
  DepthCheck check;
  if (!json::sax_parse(bytes, &check, json::input_format_t::msgpack))
    return json::value_t::discarded;
  return json::from_msgpack(bytes, true, false);
}

}  // namespace stampede::actors
