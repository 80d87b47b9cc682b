#pragma once

// What the number of an error of a database server, or of its client library, tells the operator.
// Pure; thread-safe.

#include <string_view>

namespace stampede::storage {

// Whether somebody answered, and refused: a server, or another program at the place where one is
// looked for. Else nothing was heard: not reached, or lost in the middle.
bool database_answered(unsigned sql_number);

// What to do, to be put behind the server's words; empty: they say it all.
std::string_view sql_advice(unsigned sql_number);

}  // namespace stampede::storage
