#include "gateway/reader.h"

#include "gateway/hosts.h"

namespace tarn::gateway {

namespace http = boost::beast::http;

RequestReader::RequestReader(api::Request& request, Body& body, std::uint32_t header_bytes) : request_(request), body_(body) {
  header_limit(header_bytes);
  body_limit(boost::none);  // decided by what the head asks for, and enforced by Body
}

void RequestReader::on_request_impl(http::verb verb, string_view text, string_view requested, int version, error_code&) {
  version_ = version;
  is_connect = verb == http::verb::connect;
  method_text.assign(text.data(), text.size());
  target.assign(requested.data(), requested.size());
  switch (verb) {
    case http::verb::get:
      method = api::Method::GET;
      break;
    case http::verb::post:
      method = api::Method::POST;
      break;
    case http::verb::put:
      method = api::Method::PUT;
      break;
    case http::verb::patch:
      method = api::Method::PATCH;
      break;
    case http::verb::delete_:
      method = api::Method::DELETE;
      break;
    case http::verb::head:
      method = api::Method::HEAD;
      break;
    default:
      break;
  }
  if (method) request_.method = *method;
}

void RequestReader::on_field_impl(http::field, string_view name, string_view value, error_code&) {
  if (head_done_) return;  // trailers carry nothing that we may trust as a header
  std::string key(name.data(), name.size());
  for (char& c : key) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  auto [slot, fresh] = request_.headers.try_emplace(std::move(key), value.data(), value.size());
  if (fresh) return;
  if (slot->first == "host") problem = "The request has more than one Host header";
  if (slot->first == "authorization") problem = "The request has more than one Authorization header";
  slot->second += slot->first == "cookie" ? "; " : ", ";
  slot->second.append(value.data(), value.size());
}

void RequestReader::on_header_impl(error_code&) {
  head_done_ = true;
  const auto host = request_.headers.find("host");
  if (host != request_.headers.end()) authority = host->second;
  if (host == request_.headers.end() && version_ == 11) problem = "The request has no Host header";
  if (const auto expect = request_.headers.find("expect"); expect != request_.headers.end()) {
    if (boost::beast::iequals(expect->second, "100-continue"))
      expects_continue = true;
    else
      problem = "Header 'expect' must be '100-continue', got '" + expect->second + "'";
  }
  split_target();
  if (!std::all_of(authority.begin(), authority.end(), [](unsigned char c) { return std::isalnum(c) || std::strchr("-._:[]", c); }) &&
      problem.empty())
    problem = "'" + authority.substr(0, 255) + "' is not a host";
  request_.host = bare_host(authority);
}

void RequestReader::split_target() {
  std::string_view t = target;
  if (is_connect) {
    authority = target;
    return;
  }
  if (t.starts_with("http://") || t.starts_with("https://")) {  // RFC 9112 3.2.2: it overrides Host
    absolute_form = true;
    t.remove_prefix(t.find("://") + 3);
    const auto slash = t.find_first_of("/?");
    authority = std::string(t.substr(0, slash));
    t = slash == std::string_view::npos ? std::string_view("/") : t.substr(slash);
    if (authority.empty() || authority.find('@') != std::string::npos)
      problem = "The request target '" + target.substr(0, target.find('?')) + "' names no host";
    request_.headers["host"] = authority;
  }
  t = t.substr(0, t.find('#'));
  const auto question = t.find('?');
  request_.path = std::string(t.substr(0, question));
  if (question != std::string_view::npos) request_.raw_query = std::string(t.substr(question + 1));
  if (!request_.path.starts_with('/') && problem.empty() && request_.path != "*") problem = "The request target must begin with '/'";
}

std::size_t RequestReader::on_body_impl(string_view part, error_code& ec) {
  body_error = body_.append({part.data(), part.size()});
  if (body_error != Body::Error::none) ec = http::error::body_limit;
  return part.size();
}

std::size_t RequestReader::on_chunk_body_impl(std::uint64_t, string_view part, error_code& ec) { return on_body_impl(part, ec); }

void RequestReader::on_finish_impl(error_code& ec) {
  body_error = body_.finish();
  if (body_error != Body::Error::none) ec = http::error::body_limit;
}

}  // namespace tarn::gateway
