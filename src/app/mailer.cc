#include "app/mailer.h"

#include <curl/curl.h>

#include <ctime>
#include <fstream>
#include <memory>

#include "base/crypto.h"
#include "base/ids.h"

namespace tarn::app {
namespace {

bool one_line(const std::string& text) { return text.find_first_of(std::string_view("\r\n\0", 3)) == text.npos; }

/// Any text as encoded words of at most 75 characters, cut between characters.
std::string encoded_header(const std::string& text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    auto end = std::min(at + 42, text.size());
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    if (end <= at) end = std::min(at + 42, text.size());  // no UTF-8: cut anywhere
    out += (out.empty() ? "" : "\r\n ") + ("=?UTF-8?B?" + crypto::base64(text.substr(at, end - at)) + "?=");
    at = end;
  }
  return out;
}

std::string message(const std::string& from, const std::vector<std::string>& to, const std::string& subject, const std::string& text) {
  std::string all;
  for (const auto& one : to) all += (all.empty() ? "" : ",\r\n ") + one;
  char date[64];
  const std::time_t now = std::time(nullptr);
  std::tm at{};
  ::gmtime_r(&now, &at);
  std::strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S +0000", &at);
  std::string out = fmt::format("Date: {}\r\nFrom: {}\r\nTo: {}\r\nSubject: {}\r\nMessage-ID: <{}{}>\r\nAuto-Submitted: auto-generated\r\n", date,
                                from, all, encoded_header(subject), new_uuid(), from.substr(from.find('@')));
  out += "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n";
  const auto body = crypto::base64(text);
  for (std::size_t i = 0; i < body.size(); i += 76) out += body.substr(i, 76) + "\r\n";
  return out;
}

struct Upload {
  std::string text;
  std::size_t at = 0;
};

std::size_t next_part(char* into, std::size_t size, std::size_t n, void* data) {
  auto& u = *static_cast<Upload*>(data);
  const auto take = std::min(size * n, u.text.size() - u.at);
  u.text.copy(into, take, u.at);
  u.at += take;
  return take;
}

}  // namespace

Mailer::Mailer(const MailRelay& relay) : relay_(relay) {
  if (!relay.url.starts_with("smtp://") && !relay.url.starts_with("smtps://"))
    throw std::runtime_error("--smtp wants smtp://HOST[:PORT] or smtps://HOST[:PORT], got '" + relay.url + "'");
  if (relay.from.find('@') == relay.from.npos || !one_line(relay.from) || relay.from.find_first_of(" <>,") != relay.from.npos)
    throw std::runtime_error("--smtp-from wants the sender's address, got '" + relay.from + "'");
  if (relay.user.empty() != relay.password_file.empty()) throw std::runtime_error("--smtp-user and --smtp-password-file belong together");
  if (relay.password_file.empty()) return;
  std::ifstream in(relay.password_file);
  if (!std::getline(in, password_) || password_.empty())
    throw std::runtime_error("--smtp-password-file: " + relay.password_file + " holds no password");
}

jobs::WebhookSender::Answer Mailer::send(const std::vector<std::string>& to, const std::string& subject, const std::string& text) {
  for (const auto& one : to)
    if (!one_line(one) || one.find_first_of(" <>,") != one.npos || one.find('@') == one.npos)
      return {.refused = true, .error = "'" + one.substr(0, 100) + "' is no e-mail address"};
  const std::unique_ptr<CURL, void (*)(CURL*)> c(::curl_easy_init(), ::curl_easy_cleanup);
  if (!c) return {.error = "no connection can be made"};
  curl_slist* list = nullptr;
  for (const auto& one : to) list = ::curl_slist_append(list, ("<" + one + ">").c_str());
  const std::unique_ptr<curl_slist, void (*)(curl_slist*)> recipients(list, ::curl_slist_free_all);
  Upload upload{message(relay_.from, to, subject, text)};
  const std::string from = "<" + relay_.from + ">";
  ::curl_easy_setopt(c.get(), CURLOPT_URL, relay_.url.c_str());
  ::curl_easy_setopt(c.get(), CURLOPT_PROXY, "");
  ::curl_easy_setopt(c.get(), CURLOPT_NOSIGNAL, 1L);
  ::curl_easy_setopt(c.get(), CURLOPT_TIMEOUT, 30L);
  ::curl_easy_setopt(c.get(), CURLOPT_MAIL_FROM, from.c_str());
  ::curl_easy_setopt(c.get(), CURLOPT_MAIL_RCPT, recipients.get());
  ::curl_easy_setopt(c.get(), CURLOPT_UPLOAD, 1L);
  ::curl_easy_setopt(c.get(), CURLOPT_READFUNCTION, next_part);
  ::curl_easy_setopt(c.get(), CURLOPT_READDATA, &upload);
  // A password never travels in the clear.
  ::curl_easy_setopt(c.get(), CURLOPT_USE_SSL, static_cast<long>(relay_.user.empty() ? CURLUSESSL_TRY : CURLUSESSL_ALL));
  if (!relay_.ca_file.empty()) ::curl_easy_setopt(c.get(), CURLOPT_CAINFO, relay_.ca_file.c_str());
  if (!relay_.user.empty()) {
    ::curl_easy_setopt(c.get(), CURLOPT_USERNAME, relay_.user.c_str());
    ::curl_easy_setopt(c.get(), CURLOPT_PASSWORD, password_.c_str());
  }
  const auto rc = ::curl_easy_perform(c.get());
  long status = 0;
  ::curl_easy_getinfo(c.get(), CURLINFO_RESPONSE_CODE, &status);
  if (rc == CURLE_OK) return {.status = 250};
  // 5xx is the relay's last word; 4xx and a broken connection are tried again.
  return {.refused = status >= 500 && status < 600,
          .error = status >= 400 ? fmt::format("the mail relay answered {}", status) : std::string(::curl_easy_strerror(rc))};
}

std::function<Expected<void, std::string>(const std::vector<std::string>&, const std::string&, const std::string&)> mail_through(
    jobs::MailSender* sender) {
  if (!sender) return {};
  return [sender](const std::vector<std::string>& to, const std::string& subject, const std::string& text) -> Expected<void, std::string> {
    const auto answer = sender->send(to, subject, text);
    if (answer.status == 250) return {};
    return fail(answer.error.empty() ? fmt::format("The mail relay answered {}", answer.status) : answer.error);
  };
}

}  // namespace tarn::app
