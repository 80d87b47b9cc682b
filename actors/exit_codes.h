#pragma once

namespace stampede::actors {

// Exit codes of nodes (contract §8).
inline constexpr int kExitPortTaken = 6;
inline constexpr int kExitCorrupt = 65;
inline constexpr int kExitInvariant = 70;
inline constexpr int kExitIo = 74;
inline constexpr int kExitOtherWriter = 75;
inline constexpr int kExitConfig = 78;

}  // namespace stampede::actors
