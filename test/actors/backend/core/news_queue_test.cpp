// Items that changed, each told once.

#include "actors/backend/core/news_queue.h"

#include <doctest/doctest.h>

using namespace stampede::actors;

TEST_CASE("items are told in the order in which they changed, each once") {
  NewsQueue news;
  for (const std::uint32_t item : {7U, 0U, 7U, 3U, 0U}) news.push(item);
  CHECK(news.pop() == 7);
  CHECK(news.pop() == 0);
  CHECK(news.pop() == 3);
  CHECK(news.empty());
}

TEST_CASE("an item that changes after it was told is told again, behind those that wait") {
  NewsQueue news;
  news.push(1);
  news.push(2);
  CHECK(news.pop() == 1);
  news.push(1);
  CHECK(news.pop() == 2);
  CHECK(news.pop() == 1);
  CHECK(news.empty());
}
