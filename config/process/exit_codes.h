#pragma once

// Exit codes (contract §8). A number means the same wherever both can end with it.

namespace stampede {

// Of nodes. 65, 75 and 78 wait for the operator; after every other one the node is started again.
inline constexpr int kExitPortTaken = 6;
inline constexpr int kExitCorrupt = 65;
inline constexpr int kExitInvariant = 70;
inline constexpr int kExitIo = 74;  // on the log; of tools: their output cannot be written
inline constexpr int kExitOtherWriter = 75;
inline constexpr int kExitConfig = 78;

// Of tools.
inline constexpr int kExitDone = 0;
inline constexpr int kExitFailure = 1;
inline constexpr int kExitWrongUse = 2;
inline constexpr int kExitNotReady = 3;
inline constexpr int kExitViolation = 4;
inline constexpr int kExitTimedOut = 5;
inline constexpr int kExitRefused = 6;
inline constexpr int kExitNoConnection = 7;
inline constexpr int kExitRejected = 8;

}  // namespace stampede
