// Searches over runs as SQL. Every condition on a metric, param, tag or dataset is an EXISTS beside a walk over runs; if one of them is rare,
// its index leads instead. An order by one metric, param or tag walks that index: first the runs that have it, in order, then the rest. Where a
// sample of the walk says that it would be long, the runs that satisfy the condition which most do not are collected first, as a set of bits:
// most rows of the walk are then left out without a look at any table. What is kept is checked as ever, so the set only ever saves work.
// Pages go on after the last row's own place in the order, never by counting.
#include <numeric>

#include "ml/sql_pieces.h"
#include "ml/tracking_store.h"

namespace tarn::ml {
namespace {

constexpr std::int64_t kRare = 10'000;  // so few that collecting and sorting them beats walking
constexpr std::int64_t kSample = 128;   // rows of a walk that are looked at before it
constexpr double kProbes = 2'000;       // looks at tables that are not worth a set: some milliseconds
constexpr double kCollected = 25;       // rows that are collected in the time of one such look

std::string attribute(const std::string& key) {
  if (key == "run_id") return "r.run_id";
  if (key == "run_name") return "r.name";
  if (key == "user_id") return "r.user_name";
  return "r." + key;  // artifact_uri, status, start_time, end_time
}

std::string table_of(Entity e) {
  switch (e) {
    case Entity::metric:
      return "ml_latest";
    case Entity::param:
      return "ml_param";
    case Entity::tag:
      return "ml_tag";
    default:
      return "ml_dataset";
  }
}

std::string json_list(const std::vector<std::string>& list) {
  json::array a;
  for (const auto& s : list) a.push_back(json::value(s));
  return boost::json::serialize(a);
}

/// One search as it becomes statements.
class Compiler {
 public:
  Compiler(Connection& c, const RunSearch& s) : c_(c), s_(s) {}

  /// At most limit + 1 run numbers in order, with each one's place.
  struct Hit {
    std::int64_t rid = 0;
    json::array place;
  };
  std::vector<Hit> run() {
    const auto after = json::parse(s_.after.empty() ? "null" : s_.after);
    if (after && after->is_array()) after_ = after->as_array();
    const bool by_one = s_.order.size() == 1 && s_.order[0].entity != Entity::attribute && s_.experiments.size() == 1;
    if (by_one) sample();
    const auto leader = joint_ > s_.limit ? std::nullopt : rare_condition();
    std::vector<Hit> out;
    if (leader || !by_one) {
      query(out, leader, std::nullopt);
      return out;
    }
    narrow();
    // The order's own index leads: values, then (metrics) what is not a number, then runs without it.
    const std::int64_t last = s_.order[0].entity == Entity::metric ? 2 : 1;
    const std::int64_t first = after_.empty() ? 0 : after_[0].to_number<std::int64_t>();
    for (std::int64_t section = first; section <= last && out.size() <= s_.limit; ++section) {
      query(out, std::nullopt, section);
      after_.clear();
    }
    return out;
  }

 private:
  /// `column comparator value` for texts.
  std::string compared(Parameters& p, const std::string& column, const Condition& c) {
    switch (c.comparator) {
      case Comparator::like:
        return c_.like(column, p.add(c.text()));
      case Comparator::ilike:
        return c_.like("lower(" + column + ")", "lower(" + p.add(c.text()) + ")");
      case Comparator::in:
      case Comparator::not_in: {
        p.add(json_list(c.list()));
        return column + (c.comparator == Comparator::in ? " IN (" : " NOT IN (") + c_.members(static_cast<int>(p.values.size())) + ")";
      }
      default:
        return column + " " + std::string(spelled(c.comparator)) + " " + p.add(c.text());
    }
  }

  /// What a condition asks of a row `x` of its table, beside the run's number.
  std::string inner(Parameters& p, const Condition& c) {
    if (c.entity == Entity::dataset) return compared(p, "x." + c.key, c);
    std::string out = "x.key = " + p.add(c.key);
    if (c.comparator == Comparator::is_null || c.comparator == Comparator::is_not_null) return out;
    if (c.entity == Entity::metric) return out + " AND x.is_nan = 0 AND x.value " + std::string(spelled(c.comparator)) + " " + p.add(c.number());
    if (c.comparator == Comparator::eq) {
      const std::string v = p.add(c.text());
      if (whole(c.entity)) return out + " AND x.value = " + v;
      // `||`: SQLite puts a column's known value into the terms beside it, and would not find the index's expression again.
      return out + " AND substr(x.value, 1, 200) = substr(" + v + ", 1, 200) AND x.value || '' = " + v;
    }
    return out + " AND " + compared(p, "x.value", c);
  }

  std::string experiments(Parameters& p, const std::string& column) {
    std::string out;
    for (const auto e : s_.experiments) out += (out.empty() ? "" : ", ") + p.add(e);
    return s_.experiments.size() == 1 ? column + " = " + out : column + " IN (" + out + ")";
  }

  bool whole(Entity e) const { return e == Entity::param && c_.indexes_whole(); }
  /// A value as its index has it.
  std::string indexed(Entity e, const std::string& column) const {
    return e == Entity::metric || whole(e) ? column : "substr(" + column + ", 1, 200)";
  }

  static bool by_index(const Condition& c) {
    if (c.entity == Entity::metric)
      return c.comparator != Comparator::ne && c.comparator != Comparator::is_null && c.comparator != Comparator::is_not_null;
    return c.entity != Entity::attribute && c.comparator == Comparator::eq && (c.entity != Entity::dataset || c.key == "name");
  }

  std::string exists(Parameters& p, const Condition& c, const std::string& rid) {
    const std::string text = "EXISTS (SELECT 1 FROM " + table_of(c.entity) + " AS x WHERE x.rid = " + rid + " AND " + inner(p, c) + ")";
    return c.comparator == Comparator::is_null ? "NOT " + text : text;
  }

  /// How many of the first rows of the walk satisfy each condition, and all of them.
  void sample() {
    if (s_.filter.empty() || c_.among("1", "2").empty()) return;
    const OrderTerm& term = s_.order[0];
    Parameters p;
    std::string select;
    for (const Condition& c : s_.filter)
      select += (select.empty() ? "" : ", ") + (c.entity == Entity::attribute ? "1" : "CASE WHEN " + exists(p, c, "r.rid") + " THEN 1 ELSE 0 END");
    const bool metric = term.entity == Entity::metric;
    const std::string place = indexed(term.entity, "o.value");
    const std::string sql = fmt::format("SELECT {} FROM (SELECT o.rid FROM {} AS o WHERE {} AND o.key = {}{} ORDER BY {}{} LIMIT {}) AS r", select,
                                        table_of(term.entity), experiments(p, "o.experiment"), p.add(term.key), metric ? " AND o.is_nan = 0" : "",
                                        place, term.ascending ? "" : " DESC", kSample);
    held_.assign(s_.filter.size(), 0);
    c_.query(sql, p.values, [&](const Row& row) {
      bool all = true;
      for (std::size_t i = 0; i < held_.size(); ++i) {
        held_[i] += row.number(static_cast<int>(i));
        all = all && row.number(static_cast<int>(i)) == 1;
      }
      ++sampled_;
      joint_ += all ? 1 : 0;
    });
  }

  /// Sets for the conditions that most runs fail, for a walk that would look at many.
  void narrow() {
    if (sampled_ < kSample || joint_ > s_.limit) return;  // there is little to walk, or all that is wanted was seen
    const auto share = [&](std::size_t n) { return (static_cast<double>(n) + 0.5) / static_cast<double>(sampled_ + 1); };
    double rows = static_cast<double>(s_.limit + 1) / share(joint_);
    std::vector<std::size_t> order(s_.filter.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, {}, [&](std::size_t i) { return held_[i]; });
    for (const auto i : order) {
      if (rows < kProbes) return;
      const Condition& c = s_.filter[i];
      if (!by_index(c) || !(c.entity == Entity::metric || whole(c.entity))) continue;  // by an index alone
      const auto most = static_cast<std::int64_t>(rows * kCollected);
      Parameters p;
      const std::string sql =
          fmt::format("SELECT x.rid FROM {} AS x WHERE {} AND {} LIMIT {}", table_of(c.entity), experiments(p, "x.experiment"), inner(p, c), most);
      std::string set;
      std::int64_t n = 0;
      c_.query(sql, p.values, [&](const Row& r) {
        add_to(set, r.number(0));
        ++n;
      });
      if (n == most) return;  // more than it is worth; the others have more still
      sets_.push_back(std::move(set));
      rows *= share(held_[i]);
    }
  }

  /// The condition that the fewest runs satisfy, if those are few.
  std::optional<std::size_t> rare_condition() {
    std::optional<std::size_t> best;
    std::int64_t fewest = kRare;
    for (std::size_t i = 0; i < s_.filter.size(); ++i) {
      const Condition& c = s_.filter[i];
      if (!by_index(c)) continue;
      Parameters p;
      const std::string where = experiments(p, "x.experiment") + " AND " + inner(p, c);
      std::int64_t n = 0;
      c_.query(fmt::format("SELECT count(*) FROM (SELECT 1 FROM {} AS x WHERE {} LIMIT {}) AS few", table_of(c.entity), where, kRare), p.values,
               [&](const Row& r) { n = r.number(0); });
      if (n < fewest) {
        fewest = n;
        best = i;
      }
    }
    return best;
  }

  std::string conditions(Parameters& p, std::optional<std::size_t> leader, const std::string& rid) {
    std::string out = experiments(p, "r.experiment");
    for (const auto& set : sets_) out += " AND " + c_.among(rid, p.add(set));
    std::string deleted;
    for (const auto e : s_.deleted_experiments) deleted += (deleted.empty() ? "" : ", ") + p.add(e);
    if (s_.view == ViewType::ACTIVE_ONLY) out += " AND r.deleted_at IS NULL" + (deleted.empty() ? "" : " AND r.experiment NOT IN (" + deleted + ")");
    if (s_.view == ViewType::DELETED_ONLY)
      out += " AND (r.deleted_at IS NOT NULL" + (deleted.empty() ? ")" : " OR r.experiment IN (" + deleted + "))");
    for (std::size_t i = 0; i < s_.filter.size(); ++i) {
      const Condition& c = s_.filter[i];
      if (leader == i) continue;
      if (c.entity == Entity::attribute) {
        const std::string column = attribute(c.key);
        if (std::holds_alternative<double>(c.value)) {
          const bool whole = c.number() == std::floor(c.number()) && std::abs(c.number()) < 9e15;
          out += " AND " + column + (whole ? " " : " * 1.0 ") + std::string(spelled(c.comparator)) + " " +
                 p.add(whole ? Value(static_cast<std::int64_t>(c.number())) : Value(c.number()));
        } else if (c.key == "run_name" && c.comparator == Comparator::eq) {
          const std::string v = p.add(c.text());
          out += " AND substr(r.name, 1, 200) = substr(" + v + ", 1, 200) AND r.name || '' = " + v;  // as a param's value
        } else
          out += " AND " + compared(p, column, c);
      } else {
        out += " AND " + exists(p, c, rid);
      }
    }
    return out;
  }

  /// One column of the order.
  struct Column {
    std::string sql;
    bool ascending;
    enum Type { number, real, text } type;
  };

  static json::value place_of(const Row& row, int i, Column::Type type) {
    if (row.null(i)) return nullptr;
    if (type == Column::number) return row.number(i);
    if (type == Column::text) return json::value(row.text(i));
    const double v = row.real(i);
    if (std::isinf(v)) return v > 0 ? "Infinity" : "-Infinity";
    return v;
  }

  Value value_of(const json::value& v, Column::Type type) {
    if (type == Column::number) return v.to_number<std::int64_t>();
    if (type == Column::text) return std::string(v.as_string());
    if (v.is_string()) return v.as_string() == "Infinity" ? HUGE_VAL : -HUGE_VAL;
    return v.to_number<double>();
  }

  /// Rows after a place: equal in the columns before, beyond in this one, for each column.
  std::string beyond(Parameters& p, const std::vector<Column>& columns, std::size_t skip) {
    std::string out, equal;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const json::value& v = after_[skip + i];
      if (v.is_null()) continue;  // its rank has said so already
      const std::string param = p.add(value_of(v, columns[i].type));
      out += (out.empty() ? "(" : " OR (") + equal + columns[i].sql + (columns[i].ascending ? " > " : " < ") + param + ")";
      equal += columns[i].sql + " = " + param + " AND ";
    }
    return "(" + out + ")";
  }

  void query(std::vector<Hit>& out, std::optional<std::size_t> leader, std::optional<std::int64_t> section) {
    Parameters p;
    std::string from, joins, where;
    std::vector<Column> columns;
    if (section) {
      const OrderTerm& term = s_.order[0];
      const bool metric = term.entity == Entity::metric;
      const bool absent = *section == (metric ? 2 : 1);
      if (absent) {
        from = "ml_run AS r";
        where = "NOT EXISTS (SELECT 1 FROM " + table_of(term.entity) + " AS o WHERE o.rid = r.rid AND o.key = " + p.add(term.key) + ") AND ";
      } else {
        from = table_of(term.entity) + " AS o CROSS JOIN ml_run AS r";
        where = "r.rid = o.rid AND " + experiments(p, "o.experiment") + " AND o.key = " + p.add(term.key) + " AND ";
        if (metric) where += fmt::format("o.is_nan = {} AND ", *section);
        if (*section == 0) {
          // Where the index holds the beginning of a text, the whole text decides among those.
          if (!metric && !whole(term.entity)) columns.push_back({indexed(term.entity, "o.value"), term.ascending, Column::text});
          columns.push_back({"o.value", term.ascending, metric ? Column::real : Column::text});
          if (!after_.empty() && metric)
            where += std::string("o.value ") + (term.ascending ? ">= " : "<= ") + p.add(value_of(after_[1], Column::real)) + " AND ";
        }
      }
    } else {
      from = "ml_run AS r";
      if (leader) {
        const Condition& c = s_.filter[*leader];
        from = "(SELECT DISTINCT x.rid FROM " + table_of(c.entity) + " AS x WHERE " + experiments(p, "x.experiment") + " AND " + inner(p, c) +
               ") AS l CROSS JOIN ml_run AS r";
        where = "r.rid = l.rid AND ";
      }
      for (std::size_t i = 0; i < s_.order.size(); ++i) add_term(p, joins, columns, s_.order[i], i);
    }
    bool by_start = false;
    for (const OrderTerm& t : s_.order) by_start = by_start || (t.entity == Entity::attribute && t.key == "start_time");
    if (!by_start) columns.push_back({"r.start_time", false, Column::number});
    columns.push_back({"r.run_id", true, Column::text});

    // What a walk holds already is asked before the run is looked at.
    where += conditions(p, leader, section && *section != (s_.order[0].entity == Entity::metric ? 2 : 1) ? "o.rid" : "r.rid");
    if (!after_.empty()) where += " AND " + beyond(p, columns, section ? 1 : 0);
    std::string select = "r.rid", order;
    for (const Column& col : columns) {
      select += ", " + col.sql;
      order += (order.empty() ? "" : ", ") + col.sql + (col.ascending ? "" : " DESC");
    }
    const std::string sql =
        fmt::format("SELECT {} FROM {}{} WHERE {} ORDER BY {} LIMIT {}", select, from, joins, where, order, s_.limit + 1 - out.size());
    c_.query(sql, p.values, [&](const Row& row) {
      Hit hit{.rid = row.number(0)};
      if (section) hit.place.push_back(*section);
      for (std::size_t i = 0; i < columns.size(); ++i) hit.place.push_back(place_of(row, static_cast<int>(i) + 1, columns[i].type));
      out.push_back(std::move(hit));
    });
  }

  /// One term of a sort: what has no value comes last either way.
  void add_term(Parameters& p, std::string& joins, std::vector<Column>& columns, const OrderTerm& t, std::size_t i) {
    if (t.entity == Entity::attribute) {
      const std::string column = attribute(t.key);
      if (t.key == "end_time") columns.push_back({"(CASE WHEN r.end_time IS NULL THEN 1 ELSE 0 END)", true, Column::number});
      columns.push_back({column, t.ascending, t.key.ends_with("_time") ? Column::number : Column::text});
      return;
    }
    const std::string o = fmt::format("o{}", i);
    joins += fmt::format(" LEFT JOIN {} AS {} ON {}.rid = r.rid AND {}.key = {}", table_of(t.entity), o, o, o, p.add(t.key));
    if (t.entity == Entity::metric)
      columns.push_back({fmt::format("(CASE WHEN {}.value IS NULL THEN 2 ELSE {}.is_nan END)", o, o), true, Column::number});
    else
      columns.push_back({fmt::format("(CASE WHEN {}.value IS NULL THEN 1 ELSE 0 END)", o), true, Column::number});
    columns.push_back({o + ".value", t.ascending, t.entity == Entity::metric ? Column::real : Column::text});
  }

  Connection& c_;
  const RunSearch& s_;
  json::array after_;
  std::size_t sampled_ = 0, joint_ = 0;
  std::vector<std::int64_t> held_;  // of the sample, by condition
  std::vector<std::string> sets_;
};

}  // namespace

Result<Page<Run>> TrackingStore::search(const RunSearch& search) {
  std::set<std::pair<Entity, std::string>> seen;
  for (const OrderTerm& t : search.order)
    if (!seen.emplace(t.entity, t.key).second) return refuse(Errc::invalid, "`order_by` contains duplicate fields: " + t.key);
  Page<Run> out;
  if (search.experiments.empty()) return out;
  db_.read([&](Connection& c) {
    auto hits = Compiler(c, search).run();
    if (hits.size() > search.limit) {
      hits.resize(search.limit);
      out.next = boost::json::serialize(hits.back().place);
    }
    std::vector<std::int64_t> rids;
    for (const auto& h : hits) rids.push_back(h.rid);
    if (!rids.empty()) out.items = load(c, rids);
  });
  return out;
}

Page<LoggedModel> TrackingStore::search_models(const ModelSearch& s) {
  Page<LoggedModel> out;
  std::vector<LoggedModel> found;
  db_.read([&](Connection& c) {
    std::vector<std::string> ids;
    for (const auto e : s.experiments)
      c.query("SELECT model_id FROM ml_model WHERE experiment = $1 AND deleted_at IS NULL ORDER BY created_at DESC, model_id", {e},
              [&](const Row& r) { ids.push_back(r.text(0)); });
    for (const auto& id : ids) found.push_back(load_model(c, id));
  });
  const auto on_dataset = [&](const Metric& m) {
    if (s.datasets.empty()) return true;
    return std::ranges::any_of(s.datasets,
                               [&](const KeyValue& d) { return m.dataset_name == d.key && (d.value.empty() || m.dataset_digest == d.value); });
  };
  const auto value_in = [](const std::vector<KeyValue>& list, const std::string& key) -> std::optional<std::string> {
    for (const auto& kv : list)
      if (kv.key == key) return kv.value;
    return std::nullopt;
  };
  const auto number_of = [](const LoggedModel& m, const std::string& key) {
    return static_cast<double>(key == "creation_timestamp" ? m.info.creation_timestamp_ms : m.info.last_updated_timestamp_ms);
  };
  const auto text_of = [](const LoggedModel& m, const std::string& key) -> std::optional<std::string> {
    if (key == "name") return m.info.name;
    if (key == "model_id") return m.info.model_id;
    if (key == "model_type") return m.info.model_type;
    if (key == "source_run_id") return m.info.source_run_id;
    if (key == "status") return m.info.status.substr(std::string_view("LOGGED_MODEL_").size());
    return std::nullopt;
  };
  const auto numeric = [](const std::string& key) { return key.ends_with("timestamp"); };
  const auto holds = [&](const LoggedModel& m, const Condition& c) {
    if (c.entity == Entity::metric)
      return std::ranges::any_of(m.metrics, [&](const Metric& x) { return x.key == c.key && on_dataset(x) && matches(c, x.value); });
    if (c.entity == Entity::attribute && numeric(c.key)) return matches(c, number_of(m, c.key));
    if (c.entity == Entity::attribute && c.key == "status") return matches(c, *text_of(m, c.key)) || matches(c, m.info.status);
    const auto v = c.entity == Entity::attribute ? text_of(m, c.key) : value_in(c.entity == Entity::param ? m.params : m.info.tags, c.key);
    if (c.comparator == Comparator::is_null) return !v.has_value();
    return v && matches(c, *v);
  };
  const bool asks_metric = std::ranges::any_of(s.filter, [](const Condition& c) { return c.entity == Entity::metric; });
  std::erase_if(found, [&](const LoggedModel& m) {
    if (!s.datasets.empty() && !asks_metric && !std::ranges::any_of(m.metrics, on_dataset)) return true;
    return !std::ranges::all_of(s.filter, [&](const Condition& c) { return holds(m, c); });
  });
  // -1, 0 or 1 by one term; what has no value comes last either way.
  const auto compared = [&](const LoggedModel& a, const LoggedModel& b, const ModelSearch::Order& o) {
    const auto key = [&](const LoggedModel& m) -> std::pair<bool, std::variant<double, std::string>> {
      if (o.term.entity == Entity::metric) {
        for (const Metric& x : m.metrics)
          if (x.key == o.term.key && (o.dataset_name.empty() || x.dataset_name == o.dataset_name) &&
              (o.dataset_digest.empty() || x.dataset_digest == o.dataset_digest) && !std::isnan(x.value))
            return {false, x.value};
        return {true, 0.0};
      }
      if (o.term.entity == Entity::attribute && numeric(o.term.key)) return {false, number_of(m, o.term.key)};
      const auto v =
          o.term.entity == Entity::attribute ? text_of(m, o.term.key) : value_in(o.term.entity == Entity::param ? m.params : m.info.tags, o.term.key);
      return {!v.has_value(), v.value_or("")};
    };
    const auto [none_a, va] = key(a);
    const auto [none_b, vb] = key(b);
    if (none_a != none_b) return none_a ? 1 : -1;
    if (va == vb || none_a) return 0;
    return (va < vb) == o.term.ascending ? -1 : 1;
  };
  std::ranges::stable_sort(found, [&](const LoggedModel& a, const LoggedModel& b) {
    for (const auto& o : s.order)
      if (const int c = compared(a, b, o)) return c < 0;
    return std::tuple(-a.info.creation_timestamp_ms, a.info.model_id) < std::tuple(-b.info.creation_timestamp_ms, b.info.model_id);
  });
  auto begin = found.begin();
  if (!s.after.empty()) {
    const auto last = std::ranges::find(found, s.after, [](const LoggedModel& m) { return m.info.model_id; });
    if (last != found.end()) begin = last + 1;
  }
  for (auto it = begin; it != found.end(); ++it) {
    if (out.items.size() == s.limit) {
      out.next = out.items.back().info.model_id;
      break;
    }
    out.items.push_back(std::move(*it));
  }
  return out;
}

}  // namespace tarn::ml
