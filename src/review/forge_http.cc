#include "review/forge_http.h"

namespace tarn::review {

ForgeResult<json::value> ForgeHttp::call(const std::string& method, const std::string& path, const std::optional<json::value>& body) const {
  HttpCall c{.method = method,
             .url = base_ + path,
             .headers = {authorization_, "Accept: application/json", "User-Agent: tarn-review"},
             .ca_file = ca_file_,
             .seconds = 30};
  if (body) {
    c.headers.emplace_back("Content-Type: application/json");
    c.body = boost::json::serialize(*body);
  }
  auto answer = http(c);
  if (!answer) return fail(ForgeError{0, answer.error()});
  auto parsed = answer->body.empty() ? json::Decoded<json::value>(json::value(json::object{})) : json::parse(answer->body);
  if (answer->status >= 300) {
    std::string why;
    if (parsed && parsed->is_object()) {
      why = json::text_at(*parsed, {"message"});
      if (why.empty()) why = json::text_at(*parsed, {"error"});
      if (const auto* m = json::find(*parsed, {"message"}); why.empty() && m) why = boost::json::serialize(*m);
    }
    return fail(ForgeError{answer->status, fmt::format("{} {} answered {}{}", method, base_ + path.substr(0, path.find('?')), answer->status,
                                                       why.empty() ? "" : ": " + why)});
  }
  if (!parsed) return fail(ForgeError{answer->status, method + " " + base_ + path.substr(0, path.find('?')) + ": the answer is not JSON"});
  return *std::move(parsed);
}

ForgeResult<json::array> ForgeHttp::list(const std::string& path, std::string_view size_parameter) const {
  json::array all;
  constexpr std::size_t kPage = 50;
  for (int page = 1; page <= 50; ++page) {
    TARN_TRY(answer, call("GET", fmt::format("{}{}page={}&{}={}", path, path.find('?') == path.npos ? '?' : '&', page, size_parameter, kPage)));
    if (!answer.is_array()) return fail(ForgeError{200, "GET " + base_ + path + ": the answer is not a list"});
    const auto count = answer.as_array().size();
    for (auto& item : answer.as_array()) all.push_back(std::move(item));
    if (count < kPage) break;
  }
  return all;
}

}  // namespace tarn::review
