// The items: positions, terms, pages, sums, and what a snapshot keeps of them.

#include "actors/sale/item_table.h"

#include <doctest/doctest.h>

#include <string>

#include "test/actors/sale/saved_entries.h"

using namespace stampede;
using namespace stampede::actors;

namespace {

struct Items {
  ItemTable::Item& put(std::uint64_t id, std::string_view name, std::int64_t total = 10) {
    auto position = table.find(id);
    if (position == ItemTable::kNone) position = table.add(id);
    auto& item = table[position];
    table.set_terms(item, {name, 999, total, 2, 5});
    item.amount = total;
    return item;
  }
  std::string page(std::uint64_t from, std::size_t limit) const {
    std::vector<ItemRow> rows;
    const auto next = table.page(from, limit, rows);
    std::string text;
    for (const auto& row : rows) text += std::to_string(row.item) + ' ';
    return text + (next ? "next " + std::to_string(*next) : "end");
  }

  ItemTable table;
};

}  // namespace

TEST_CASE("items are numbered in the order in which they came, and found by their ids") {
  Items items;
  CHECK(items.table.find(7) == ItemTable::kNone);
  items.put(7, "Phone");
  items.put(3, "Case");
  items.put(7, "Phone");
  CHECK(items.table.size() == 2);
  CHECK(items.table.find(7) == 0);
  CHECK(items.table.find(3) == 1);
  CHECK(items.table[1].id == 3);
}

TEST_CASE("an item keeps its terms, whatever becomes of others' names") {
  Items items;
  items.put(1, "Phone");
  items.put(2, "");
  for (int i = 0; i < 1000; ++i) items.put(3, "Name " + std::to_string(i));
  const auto row = items.table.row(items.table[0]);
  CHECK(row.item == 1);
  CHECK(row.terms == ItemTerms{"Phone", 999, 10, 2, 5});
  CHECK(row.left == 10);
  CHECK(items.table.terms(items.table[1]).name.empty());
  CHECK(items.table.terms(items.table[2]).name == "Name 999");
}

TEST_CASE("a name may be set to a view of one that the table holds") {
  Items items;
  items.put(1, std::string(100, 'a') + "Phone");
  for (std::uint64_t id = 2; id < 100; ++id)
    items.put(id,
              items.table.terms(items.table[static_cast<std::uint32_t>(id - 2)]).name.substr(1));
  CHECK(items.table.terms(items.table[10]).name == std::string(90, 'a') + "Phone");
}

TEST_CASE("pages go up by id, whatever the order in which items came") {
  Items items;
  for (const std::uint64_t id : {5, 1, 9, 3}) items.put(id, "x");
  CHECK(items.page(0, 2) == "1 3 next 5");
  CHECK(items.page(5, 2) == "5 9 end");
  CHECK(items.page(4, 1) == "5 next 9");
  CHECK(items.page(10, 2) == "end");
}

TEST_CASE("sums are those of all items and do not depend on their order") {
  Items items;
  items.put(1, "x").amount = 4;
  items.put(2, "y").amount = 10;
  Books books;
  items.table.add_to(books);
  CHECK(books.items == 2);
  CHECK(books.sold == 6);
  CHECK(books.hash == books_hash(1, 4, 6) + books_hash(2, 10, 0));
  Items turned;
  turned.put(2, "y").amount = 10;
  turned.put(1, "x").amount = 4;
  Books same;
  turned.table.add_to(same);
  CHECK(same.hash == books.hash);
}

TEST_CASE("saved and loaded, every item is as it was and where it was") {
  Items items;
  for (std::uint64_t id = 100; id > 0; --id) {
    auto& item = items.put(id, "Item " + std::to_string(id), static_cast<std::int64_t>(id));
    item.seq = 2 * id;
    item.put_lsn = id;
  }
  SavedEntries saved;
  items.table.save(saved);
  storage::SnapshotSummary summary;
  items.table.count(summary);
  CHECK(summary.items == 100);

  ItemTable loaded;
  loaded.reserve(summary);
  saved.each<storage::SnapshotItem>([&](auto, const auto& entry) { CHECK(loaded.load(entry)); });
  CHECK(loaded.find(100) == 0);
  CHECK(loaded[99].seq == 2);
  CHECK(loaded.terms(loaded[99]).name == "Item 1");
  SavedEntries again;
  loaded.save(again);
  CHECK(again.entries == saved.entries);
}

TEST_CASE("an item that cannot be is not loaded") {
  ItemTable table;
  const ItemTerms good{"x", 1, 1, 0, 5};
  CHECK(table.load({1, good, 1, 1, 1}));
  CHECK_FALSE(table.load({1, good, 1, 1, 1}));
  CHECK_FALSE(table.load({kItemIdMax + 1, good, 1, 1, 1}));
  CHECK_FALSE(table.load({2, {"x", 1, 1, 0, 0}, 1, 1, 1}));
  CHECK_FALSE(table.load({2, {"x", 1, 1, 0, kQtyMax + 1}, 1, 1, 1}));
  const std::string long_name(kItemNameBytesMax + 1, 'x');
  CHECK_FALSE(table.load({2, {long_name, 1, 1, 0, 5}, 1, 1, 1}));
  CHECK(table.size() == 1);
}

TEST_CASE("names that nobody has any more give their memory back") {
  Items items;
  items.put(1, "first");
  for (int i = 0; i < 20'000; ++i) items.put(2, std::to_string(i) + std::string(400, 'n'));
  items.put(3, "third");
  CHECK(items.table.memory_bytes() < std::size_t{4} << 20);
  CHECK(items.table.row(items.table[0]).terms.name == "first");
  CHECK(items.table.row(items.table[1]).terms.name == "19999" + std::string(400, 'n'));
  CHECK(items.table.row(items.table[2]).terms.name == "third");
}

TEST_CASE("an item with rules keeps them and its own max_qty beside its line") {
  Items items;
  auto& item = items.put(1, "Phone");
  CHECK(items.table.sale(item) == nullptr);
  items.table.set_terms(item, {"Phone", 999, 10, 2, 5}, {.description = "text", .hold_s = 9});
  CHECK(item.terms.max_qty == 0);
  CHECK(items.table.max_qty(item) == 5);
  CHECK(items.table.row(item).terms.max_qty == 5);
  CHECK(items.table.row(item).sale.description == "text");
  const auto terms = items.table.terms(item);
  auto sale = items.table.sale_terms(item);  // its text is that which is replaced
  sale.hold_s = 10;
  items.table.set_terms(item, terms, sale);
  CHECK(items.table.sale(item)->description == "text");
  items.table.set_terms(item, terms, {});
  CHECK(items.table.sale(item) == nullptr);
  CHECK(item.terms.max_qty == 5);
}
