#include "transport/zmq/frame.h"

#include <doctest/doctest.h>

#include <utility>

namespace stampede::transport {

TEST_CASE("a new frame is empty") {
  const Frame frame;
  CHECK(frame.size() == 0);
  CHECK(frame.bytes().empty());
}

TEST_CASE("a frame holds the bytes it was made from, whatever their number") {
  for (const std::size_t size : {0u, 1u, 29u, 30u, 33u, 34u, 4095u, 4096u, 100000u}) {
    std::string bytes(size, 'x');
    if (size > 1) bytes[size / 2] = '\0';
    CHECK(Frame(bytes).bytes() == bytes);
    CHECK(Frame::adopt(std::string(bytes)).bytes() == bytes);
  }
}

TEST_CASE("adopt takes a large buffer over without a copy") {
  std::string bytes(100'000, 'x');
  const char* address = bytes.data();
  const Frame frame = Frame::adopt(std::move(bytes));
  CHECK(frame.bytes().data() == address);
}

TEST_CASE("a moved frame leaves an empty one behind") {
  for (const std::size_t size : {5u, 5000u}) {
    Frame from(std::string(size, 'a'));
    Frame to(std::move(from));
    CHECK(to.size() == size);
    CHECK(from.size() == 0);  // NOLINT: promised by Frame
    Frame other(std::string(size, 'b'));
    other = std::move(to);
    CHECK(other.bytes() == std::string(size, 'a'));
    CHECK(to.size() == 0);  // NOLINT
    Frame& same = other;
    other = std::move(same);
    CHECK(other.size() == size);
  }
}

TEST_CASE("shared frames show the same bytes and outlive each other") {
  for (const std::size_t size : {5u, 500u, 50'000u}) {
    Frame copy;
    {
      Frame original = Frame::adopt(std::string(size, 'c'));
      copy = original.share();
      CHECK(original.bytes() == copy.bytes());
      if (size > 100) CHECK(original.bytes().data() == copy.bytes().data());
    }
    CHECK(copy.bytes() == std::string(size, 'c'));
  }
}

}  // namespace stampede::transport
