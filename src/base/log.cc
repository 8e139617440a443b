#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>

namespace tarn::log {

void init(std::string_view level) {
  auto logger = std::make_shared<spdlog::logger>("tarn", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e %l %v");
  logger->set_level(level == "off" ? spdlog::level::off : spdlog::level::from_str(std::string(level)));
  if (logger->level() == spdlog::level::off && level != "off") logger->set_level(spdlog::level::info);
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(logger);
}

}  // namespace tarn::log
