// A race on purpose: ThreadSanitizer must report it, and the process end with its exit code.

#include <cstdio>
#include <thread>

int main() {
  int counter = 0;
  std::thread other([&] { ++counter; });
  ++counter;
  other.join();
  std::printf("%d\n", counter);
}
