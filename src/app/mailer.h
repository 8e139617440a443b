#pragma once
// Hands messages to the operator's mail relay by SMTP. Thread-safe; a message blocks for at most 30 seconds.
// Source: RFC 5321, RFC 5322, RFC 2047; libcurl's smtp and smtps.
#include "jobs/ports.h"

namespace tarn::app {

struct MailRelay {
  std::string url;   // smtp://HOST[:PORT] (STARTTLS where the relay offers it; required with a user) or smtps://HOST[:PORT]
  std::string from;  // the sender's address
  std::string user, password_file;
  std::string ca_file;  // empty: the system's authorities
};

class Mailer final : public jobs::MailSender {
 public:
  /// Throws std::runtime_error with a text for people if the settings cannot be right. The password is read once.
  explicit Mailer(const MailRelay& relay);
  jobs::WebhookSender::Answer send(const std::vector<std::string>& to, const std::string& subject, const std::string& text) override;

 private:
  MailRelay relay_;
  std::string password_;
};

/// For rooms that know of no relay's replies: sends, or says why not. Empty for a null sender.
std::function<Expected<void, std::string>(const std::vector<std::string>& to, const std::string& subject, const std::string& text)> mail_through(
    jobs::MailSender* sender);

}  // namespace tarn::app
