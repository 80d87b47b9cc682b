#include "actors/http/static_files.h"

#include <doctest/doctest.h>

#include <array>
#include <string>

using namespace stampede::actors;

namespace {

constexpr std::array kFiles{
    StaticFile{"/", "text/html; charset=utf-8", "\"page\"", false, "<p>plain</p>", "packed page"},
    StaticFile{"/assets/a.1.js", "text/javascript", "\"script\"", true, "1 + 1", "packed script"}};

std::optional<HttpReply> get(const std::string& target, const std::string& head = {},
                             const std::string& method = "GET") {
  HttpRequest request;
  request.method = method;
  request.target = target;
  request.head = head;
  return StaticFiles(kFiles).answer(request);
}

std::string header(const HttpReply& reply, const std::string& name) {
  for (const auto& [key, value] : reply.headers)
    if (key == name) return value;
  return {};
}

}  // namespace

TEST_CASE("a file is given as its client takes it") {
  const auto plain = get("/").value();
  CHECK(*plain.shared_body == "<p>plain</p>");
  CHECK(header(plain, "Content-Encoding").empty());
  const auto packed = get("/", "Accept-Encoding: br, gzip\r\n").value();
  CHECK(*packed.shared_body == "packed page");
  CHECK(header(packed, "Content-Encoding") == "gzip");
  CHECK(header(plain, "ETag") == "\"page\"");
  CHECK(header(packed, "ETag") == "\"page-gzip\"");  // they are other bytes
  for (const auto* reply : {&plain, &packed}) {
    CHECK(header(*reply, "Vary") == "Accept-Encoding");
    CHECK(reply->content_type == "text/html; charset=utf-8");
  }
}

TEST_CASE("gzip is taken by whoever does not refuse it") {
  CHECK(takes_gzip("Accept-Encoding: gzip;q=0.5\r\n"));
  CHECK(takes_gzip("Accept-Encoding: *\r\n"));
  CHECK(takes_gzip("accept-encoding: identity\r\nAccept-Encoding: GZIP\r\n"));
  CHECK_FALSE(takes_gzip(""));
  CHECK_FALSE(takes_gzip("Accept-Encoding: gzip;q=0\r\n"));
  CHECK_FALSE(takes_gzip("Accept-Encoding: gzip; q=0.000, *\r\n"));
  CHECK_FALSE(takes_gzip("Accept-Encoding: br\r\n"));
}

TEST_CASE("who has a file hears no more than that it is the same") {
  for (const char* said : {"\"page\"", "W/\"page\"", "\"other\", \"page\"", "*"}) {
    const auto reply = get("/", "If-None-Match: " + std::string(said) + "\r\n").value();
    CHECK(reply.status == 304);
    CHECK(reply.shared_body == nullptr);
    CHECK(header(reply, "ETag") == "\"page\"");
  }
  CHECK(get("/", "If-None-Match: \"other\"\r\n").value().status == 200);
  const std::string gzip = "Accept-Encoding: gzip\r\n";
  const auto packed = get("/", gzip + "If-None-Match: W/\"page-gzip\"\r\n").value();
  CHECK((packed.status == 304 && header(packed, "ETag") == "\"page-gzip\""));
  CHECK(get("/", gzip + "If-None-Match: \"page\"\r\n").value().status == 200);
  CHECK(get("/", "If-None-Match: \"page-gzip\"\r\n").value().status == 200);
}

TEST_CASE("who asks for one version of a file gets no other one") {
  const auto status = [](const std::string& head) { return get("/", head).value().status; };
  for (const char* said : {"\"page\"", "\"other\", \"page\"", "*"})
    CHECK(status("If-Match: " + std::string(said) + "\r\n") == 200);
  for (const char* said : {"\"other\"", "W/\"page\"", "\"page-gzip\"", ""})
    CHECK(status("If-Match: " + std::string(said) + "\r\n") == 412);
  CHECK(status("Accept-Encoding: gzip\r\nIf-Match: \"page-gzip\"\r\n") == 200);
  CHECK(get("/", "If-Match: \"other\"\r\n", "POST").value().status == 405);
}

TEST_CASE("what its name stands for may be kept, and nothing else") {
  CHECK(get("/assets/a.1.js").value().cache_control == "public, max-age=31536000, immutable");
  CHECK(get("/").value().cache_control == "no-cache");
}

TEST_CASE("a page may not run what stands in it, nor be framed") {
  const auto policy = header(get("/").value(), "Content-Security-Policy");
  CHECK(policy.find("script-src 'self';") != std::string::npos);
  CHECK(policy.find("frame-ancestors 'none'") != std::string::npos);
  CHECK(policy.find("unsafe") == std::string::npos);
  CHECK(header(get("/").value(), "X-Content-Type-Options") == "nosniff");
}

TEST_CASE("other paths are not its business, other methods are refused") {
  CHECK_FALSE(get("/assets/a.2.js"));
  CHECK_FALSE(get("/assets/"));
  CHECK(get("/", {}, "POST").value().status == 405);
  CHECK(header(get("/", {}, "POST").value(), "Allow") == "GET, HEAD, OPTIONS");
  CHECK(get("/", {}, "OPTIONS").value().status == 204);
}
