#pragma once

// Numbers at fixed places of a header: little-endian, as the machine has them. Pure.

#include <bit>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

namespace stampede::storage {

static_assert(std::endian::native == std::endian::little);

// Over the bytes that are there; the caller made room.
template <class T>
void put(std::string& bytes, std::size_t at, const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

template <class T>
T get(std::string_view bytes, std::size_t at) {
  static_assert(std::is_trivially_copyable_v<T>);
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

}  // namespace stampede::storage
