#include <stdexcept>

#include "api/api.h"

namespace tarn::api {

struct Router::Node {
  std::map<std::string, std::shared_ptr<Node>, std::less<>> literal;
  std::shared_ptr<Node> capture, rest;
  std::vector<const Route*> routes;
};

namespace {

std::vector<std::string_view> segments(std::string_view path) {
  std::vector<std::string_view> out;
  while (path.starts_with('/')) path.remove_prefix(1);
  while (path.ends_with('/')) path.remove_suffix(1);
  while (!path.empty()) {
    const auto slash = path.find('/');
    out.push_back(path.substr(0, slash));
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
  }
  return out;
}

bool is_capture(std::string_view s) { return s.size() > 2 && s.front() == '{' && s.back() == '}'; }
bool is_rest(std::string_view s) { return is_capture(s) && s[s.size() - 2] == '*'; }
bool safe(std::string_view s) { return !s.empty() && s != "." && s != ".." && s.find('\0') == s.npos; }
bool overlap(Surface a, Surface b) { return a == b || a == Surface::both || b == Surface::both; }

}  // namespace

void Router::add(Route route) {
  if (!root_) root_ = std::make_shared<Node>();
  auto node = root_;
  for (auto s : segments(route.pattern)) {
    auto& next = is_rest(s) ? node->rest : is_capture(s) ? node->capture : node->literal[std::string(s)];
    if (!next) next = std::make_shared<Node>();
    node = next;
  }
  for (const Route* r : node->routes)
    if (r->method == route.method && overlap(r->surface, route.surface))
      throw std::logic_error("two routes for " + std::string(json::name_of(route.method)) + " " + route.pattern);
  routes_.push_back(std::make_unique<Route>(std::move(route)));
  node->routes.push_back(routes_.back().get());
}

Router::Match Router::match(Method method, Surface surface, std::string_view path) const {
  Match out;
  if (!root_) return out;
  const auto parts = segments(path);
  std::function<bool(const Node&, std::size_t)> walk = [&](const Node& node, std::size_t i) {
    if (i == parts.size()) {
      for (const Route* r : node.routes) {
        if (!overlap(r->surface, surface)) continue;
        if (r->method == method) {
          out.route = r;
          return true;
        }
        out.path_known = true;
      }
      return false;
    }
    if (auto next = node.literal.find(parts[i]); next != node.literal.end() && walk(*next->second, i + 1)) return true;
    if (node.capture && walk(*node.capture, i + 1)) return true;
    return node.rest && walk(*node.rest, parts.size());
  };
  if (!walk(*root_, 0)) return out;
  const auto pattern = segments(out.route->pattern);
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (!is_capture(pattern[i])) continue;
    std::string_view raw = parts[i];
    std::string_view name = pattern[i].substr(1, pattern[i].size() - 2);
    bool fine = true;
    if (is_rest(pattern[i])) {
      name.remove_suffix(1);
      for (std::size_t j = i; j < parts.size(); ++j) {
        const auto d = percent_decode(parts[j]);
        fine = fine && d && safe(*d);
      }
      raw = std::string_view(raw.data(), static_cast<std::size_t>(parts.back().data() + parts.back().size() - raw.data()));
    }
    const auto decoded = percent_decode(raw);
    if (!decoded || !fine || !safe(*decoded)) return Match{};
    out.captures.emplace(name, *decoded);
  }
  return out;
}

}  // namespace tarn::api
