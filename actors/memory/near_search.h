#pragma once

#include <cstdint>

namespace stampede::actors {

// Of `size` things in ascending order the first that is not before(position) what is looked for, or
// `size`. It is looked for from `near` on, so that one close by is found with few looks.
template <class Before>
std::uint32_t first_not_before(std::uint32_t size, std::uint32_t near, Before&& before) {
  std::uint32_t from = 0;   // all below are before it
  std::uint32_t to = size;  // this one is not, and none behind it
  std::uint32_t step = 1;
  if (near < size && before(near)) {
    for (from = near + 1; size - from > step; step *= 2) {
      if (!before(from + step)) {
        to = from + step;
        break;
      }
      from += step + 1;
    }
  } else if (near < size) {
    for (to = near; to > step; step *= 2) {
      if (before(to - step)) {
        from = to - step + 1;
        break;
      }
      to -= step;
    }
  }
  while (from < to) {
    const auto middle = from + (to - from) / 2;
    if (before(middle))
      from = middle + 1;
    else
      to = middle;
  }
  return from;
}

}  // namespace stampede::actors
