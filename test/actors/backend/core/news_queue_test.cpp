// Items that changed, each told once; what sold out or came back first.

#include "actors/backend/core/news_queue.h"

#include <doctest/doctest.h>

using namespace stampede::actors;

TEST_CASE("items are told in the order in which they changed, each once") {
  NewsQueue news;
  for (const std::uint32_t item : {7U, 0U, 7U, 3U, 0U}) news.push(item, 5);
  CHECK(news.pop() == 7U);
  CHECK(news.pop() == 0U);
  CHECK(news.pop() == 3U);
  CHECK_FALSE(news.pop());
}

TEST_CASE("an item that changes after it was told is told again, behind those that wait") {
  NewsQueue news;
  news.push(1, 5);
  news.push(2, 5);
  CHECK(news.pop() == 1U);
  news.push(1, 4);
  CHECK(news.pop() == 2U);
  CHECK(news.pop() == 1U);
  CHECK_FALSE(news.pop());
}

TEST_CASE("an item that sold out, or came back, goes before those that wait") {
  NewsQueue news;
  for (const std::uint32_t item : {1U, 2U, 3U}) news.push(item, 5);
  news.push(3, 0);
  CHECK(news.pop() == 3U);
  news.told(3, 0);
  CHECK(news.pop() == 1U);
  news.push(3, 10);
  CHECK(news.pop() == 3U);
  news.told(3, 10);
  news.push(4, 9);
  CHECK(news.pop() == 2U);
  CHECK(news.pop() == 3U);  // as it waited before
  CHECK(news.pop() == 4U);
  CHECK_FALSE(news.pop());
}

TEST_CASE("what sells out and comes back all the time waits twice at the most") {
  NewsQueue news;
  for (int i = 0; i < 100; ++i) {
    news.push(1, 1);
    news.push(1, 0);
    news.told(1, i % 2);
  }
  int waits = 0;
  while (news.pop()) ++waits;
  CHECK(waits == 2);
}
