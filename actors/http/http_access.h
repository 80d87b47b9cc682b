#pragma once

// Who may ask: under which names this server is known, and which pages of other sites a browser may
// send requests for. Whoever can connect can buy as anyone, so a page that a browser on this host
// shows must not be able to: not by a form, which is sent without asking, and not under a name that
// was bound to this address afterwards (DNS rebinding). Programs send no Origin and are not
// concerned. Pure functions.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/http/http_server.h"

namespace stampede::actors {

struct AccessFault {
  std::string_view field;  // the header at fault
  std::string_view title;
};

// Refused: a host that is neither loopback nor one of site.hosts; an Origin that is neither this
// server's own nor one of site.origins (`null` is foreign); a request that Sec-Fetch-Site says
// another site made, unless its Origin is one of site.origins or it is no more than a link that was
// followed (GET, Sec-Fetch-Mode: navigate).
std::optional<AccessFault> check_access(const HttpSite& site, const HttpRequest& request);

// The Origin of a request that check_access let in, when it is one of site.origins: what a browser
// wants to hear back. Empty: the page is ours, or there is none.
std::string_view allowed_origin(const HttpSite& site, const HttpRequest& request);

}  // namespace stampede::actors
