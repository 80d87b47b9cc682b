#pragma once

// What a tool may do with the terminal that it prints on. Any thread.

namespace stampede::tools {

// Empties the screen and begins at its top, when stdout is a terminal; what was printed before is
// out by then. What tools print goes through an escaper that lets no such sequence pass, so this
// writes to the descriptor itself.
void clear_terminal();

}  // namespace stampede::tools
