// The same rows in many files and in one answer every query alike: what statistics rule out was not wanted.
#include <random>

#include "sql/testing.h"

namespace tarn::sql::testing {
namespace {

class Questions {
 public:
  explicit Questions(unsigned seed) : random_(seed) {}

  std::string query(const std::string& table) {
    table_ = table;
    switch (pick(7)) {
      case 0:
        return "SELECT a.* FROM " + table_ + " a WHERE " + conditions({"a"});
      case 1: {
        const auto side = one({"JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"});
        return "SELECT a.id, b.id, b.name FROM " + table_ + " a " + side + " " + table_ + " b ON a.id = b.id + " + std::to_string(pick(40)) +
               " WHERE " + conditions({"a", "b"});
      }
      case 2:
        return "SELECT a.id, a.day FROM " + table_ + " a " + one({"SEMI JOIN ", "ANTI JOIN "}) + table_ + " b ON a.id = b.id + " +
               std::to_string(pick(40)) + " WHERE " + conditions({"a"});
      case 3:
        return "SELECT a.id FROM " + table_ + " a WHERE " + one({"EXISTS", "NOT EXISTS"}) + " (SELECT 1 FROM " + table_ + " b WHERE b.id = a.id + " +
               std::to_string(pick(20)) + " AND " + conditions({"b"}) + ") AND " + conditions({"a"});
      case 4:
        return "WITH w AS (SELECT id, name, day, price, row_number() OVER (ORDER BY id NULLS LAST, price) AS n FROM " + table_ + " WHERE " +
               conditions({table_}) + ") SELECT x.n, x.id, (SELECT count(*) FROM w) FROM w x WHERE " + conditions({"x"});
      case 5:
        return "SELECT name, count(*), max(id) FROM " + table_ + " WHERE " + conditions({table_}) +
               " GROUP BY name HAVING max(id) >= " + std::to_string(pick(100)) + " UNION ALL SELECT name, id, NULL FROM " + table_ + " WHERE " +
               conditions({table_});
      default:
        return "FROM " + table_ + " |> WHERE " + conditions({table_}) +
               " |> ORDER BY id NULLS LAST, price |> LIMIT 20 |> WHERE id >= " + std::to_string(pick(100)) + " |> SELECT id, name";
    }
  }

 private:
  int pick(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  std::string one(const std::vector<std::string>& of) { return of[static_cast<std::size_t>(pick(static_cast<int>(of.size())))]; }
  std::string conditions(const std::vector<std::string>& sources) {
    std::string out = condition(one(sources));
    for (int n = pick(3); n > 0; --n) out += one({" AND ", " AND ", " OR "}) + condition(one(sources));
    return out;
  }
  std::string condition(const std::string& source) {
    const auto op = one({" = ", " < ", " <= ", " > ", " >= ", " <> ", " <=> "});
    switch (pick(6)) {
      case 0:
        return source + ".id" + op + std::to_string(pick(110) - 5);
      case 1:
        return source + ".name" + op + "'n" + std::to_string(pick(60)) + "'";
      case 2:
        return source + ".day" + op + one({"", "DATE "}) + fmt::format("'2024-{:02}-{:02}'", pick(4) + 1, pick(28) + 1);
      case 3:
        return source + ".price" + op + fmt::format("{}.{}", pick(60), pick(10));
      case 4:
        return source + one({".id", ".name", ".day"}) + one({" IS NULL", " IS NOT NULL"});
      default:
        return one({"", "NOT "}) + source + ".id " +
               (pick(2) == 0 ? fmt::format("BETWEEN {} AND {}", pick(60), pick(110)) : fmt::format("IN ({}, {}, 500)", pick(100), pick(100)));
    }
  }

  std::mt19937 random_;
  std::string table_;
};

TEST(FileSkipping, AnswersNoQueryOtherwise) {
  World world;
  const auto admin = world.as("automation");
  const auto rows = [&](const std::string& sql) {
    Collector sink;
    const auto done = world.run(admin, sql, sink);
    EXPECT_TRUE(done) << sql << "\n" << done.error().message;
    std::ranges::sort(sink.rows);
    return sink.rows;
  };
  rows("CREATE TABLE many (id BIGINT, name STRING, day DATE, price DECIMAL(10,1))");
  for (int i = 0; i < 10; ++i)
    rows(
        fmt::format("INSERT INTO many SELECT if(id % 9 = 8, NULL, id), if(id % 7 = 3, NULL, concat('n', id % 50)), "
                    "if(id % 11 = 5, NULL, DATE '2024-01-01' + CAST(id AS INT)), CAST(id / 2 AS DECIMAL(10,1)) FROM range({}, {})",
                    i * 10, i * 10 + 10));
  rows("CREATE TABLE once AS SELECT * FROM many");
  for (unsigned seed = 1; seed <= 250; ++seed) {
    const auto sql = Questions(seed).query("many");
    EXPECT_EQ(rows(sql), rows(Questions(seed).query("once"))) << sql;
  }
}

}  // namespace
}  // namespace tarn::sql::testing
