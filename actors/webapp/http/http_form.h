#pragma once

// Forms, as application/x-www-form-urlencoded or multipart/form-data, which some load generators
// send. Pure functions. A form is understood as a whole or refused: nothing before its first part
// or behind its end is passed over. Values are bytes of a stranger: whoever uses them checks them.

#include <string_view>
#include <vector>

#include "actors/http/http_fields.h"

namespace stampede::actors {

enum class FormFault { none, other_type, malformed };

struct Form {
  FormFault fault = FormFault::none;
  std::vector<QueryPair> pairs;
};

// A body without a Content-Type, or one that says nothing (text/plain), is taken for urlencoded.
Form parse_form(std::string_view content_type, std::string_view body);

}  // namespace stampede::actors
