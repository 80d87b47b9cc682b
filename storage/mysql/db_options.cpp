#include "storage/mysql/db_options.h"

#include <charconv>
#include <optional>

namespace stampede::storage {
namespace {

constexpr std::string_view kScheme = "mysql://";
constexpr std::uint16_t kDefaultPort = 3306;
constexpr std::size_t kSocketPathMax = 107;  // sun_path holds 108 bytes with the final zero

Error bad_url(std::string_view url, const std::string& what) {
  return {Errc::invalid, "db.url '" + std::string(url) + "': " + what +
                             "; use for example mysql://stampede@127.0.0.1:3306/stampede or "
                             "mysql://stampede@localhost/stampede?socket=/run/mysqld/mysqld.sock"};
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// "%2Fx" -> "/x"; nullopt when an escape is cut short, no hex, or a zero byte.
std::optional<std::string> decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = hex_digit(text[i + 1]);
    const int low = hex_digit(text[i + 2]);
    if (high < 0 || low < 0 || high + low == 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

// Splits "host", "host:port" and "[v6]:port"; returns what is wrong, or an empty text.
std::string read_host(std::string_view text, DbAddress& address) {
  std::string_view port;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return "the host's '[' is never closed";
    address.host = text.substr(1, end - 1);
    port = text.substr(end + 1);
  } else {
    const auto colon = text.find(':');
    address.host = text.substr(0, colon);
    if (colon != std::string_view::npos) port = text.substr(colon);
  }
  if (address.host.empty()) return "the host is missing";
  address.port = kDefaultPort;
  if (port.empty()) return {};
  port.remove_prefix(1);
  const char* end = port.data() + port.size();
  const auto parsed = std::from_chars(port.data(), end, address.port);
  if (parsed.ec != std::errc{} || parsed.ptr != end || address.port == 0) {
    return "the port '" + std::string(port) + "' is no number from 1 to 65535";
  }
  return {};
}

// Reads "socket=/path"; returns what is wrong, or an empty text.
std::string read_query(std::string_view query, DbAddress& address) {
  constexpr std::string_view key = "socket=";
  if (!query.starts_with(key)) {
    return "'" + std::string(query) + "' is not known after '?': only socket=PATH is";
  }
  const auto path = decode(query.substr(key.size()));
  if (!path) return "a %-escape in the socket path is malformed";
  if (!path->starts_with('/')) return "the socket path '" + *path + "' is not absolute";
  if (path->size() > kSocketPathMax) {
    return "the socket path is longer than " + std::to_string(kSocketPathMax) + " bytes";
  }
  address.socket = *path;
  return {};
}

}  // namespace

std::string DbAddress::to_text() const {
  if (!socket.empty()) return "socket " + socket;
  return "host " + host + " port " + std::to_string(port);
}

Result<DbAddress> parse_db_url(std::string_view url) {
  if (!url.starts_with(kScheme)) return bad_url(url, "does not begin with mysql://");
  std::string_view rest = url.substr(kScheme.size());
  std::string_view query;
  if (const auto mark = rest.find('?'); mark != std::string_view::npos) {
    query = rest.substr(mark + 1);
    rest = rest.substr(0, mark);
  }
  const auto slash = rest.find('/');
  if (slash == std::string_view::npos) return bad_url(url, "the database name is missing");
  const std::string_view authority = rest.substr(0, slash);
  const auto at = authority.rfind('@');
  if (at == std::string_view::npos || at == 0) return bad_url(url, "the user is missing");
  if (authority.substr(0, at).find(':') != std::string_view::npos) {
    // The text after the colon may be a password: the url is not repeated.
    return Error{
        Errc::invalid,
        "db.url holds a ':' in the user part; the password goes into db.password_file, the "
        "url is for example mysql://stampede@127.0.0.1:3306/stampede"};
  }

  DbAddress address;
  const auto user = decode(authority.substr(0, at));
  const auto database = decode(rest.substr(slash + 1));
  if (!user || !database) return bad_url(url, "a %-escape is malformed");
  address.user = *user;
  address.database = *database;
  if (address.database.empty()) return bad_url(url, "the database name is missing");
  if (address.database.find('/') != std::string::npos) {
    return bad_url(url, "the database name holds a '/'");
  }
  if (const auto wrong = read_host(authority.substr(at + 1), address); !wrong.empty()) {
    return bad_url(url, wrong);
  }
  if (!query.empty()) {
    if (const auto wrong = read_query(query, address); !wrong.empty()) return bad_url(url, wrong);
  }
  return address;
}

}  // namespace stampede::storage
