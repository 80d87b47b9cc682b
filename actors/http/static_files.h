#pragma once

// Hands out a program's own files over HTTP: compressed where the client takes that, not again
// where it has them. It knows no route but theirs. Files whose names are hashed may be kept for
// ever; the others are asked for again each time, with their ETag. Every answer forbids what a page
// of ours never does: scripts and styles that stand in it, other hosts' scripts, frames, plug-ins.
//
// Owner: one HTTP server's handler; its thread alone. Nothing blocks.

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "actors/http/http_server.h"
#include "actors/http/static_file.h"

namespace stampede::actors {

class StaticFiles {
 public:
  explicit StaticFiles(std::span<const StaticFile> files);

  // Nothing: there is no file at this path. 405: it was not GET (or HEAD).
  [[nodiscard]] std::optional<HttpReply> answer(const HttpRequest& request) const;

 private:
  using Text = std::shared_ptr<const std::string>;
  struct File {
    StaticFile about;
    Text plain;
    Text gzip;
  };
  static HttpReply reply_of(const File& file, const HttpRequest& request);

  std::map<std::string_view, File> files_;
};

// Whether the client of a request with these header lines takes gzip (RFC 9110 12.5.3).
bool takes_gzip(std::string_view head);

}  // namespace stampede::actors
