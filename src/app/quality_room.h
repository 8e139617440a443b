#pragma once
// Quality monitors, wired: their statements run in the SQL room as whoever made them.
#include "catalog/service.h"
#include "jobs/ports.h"
#include "quality/routes.h"
#include "sql/executor.h"

namespace tarn::app {

struct QualityRoom {
  QualityRoom(store::Store& store, catalog::Catalog& catalog, identity::Directory& directory, sql::Executor& executor, const Clock& clock,
              jobs::MailSender* mail, std::string server_id);  // mail: null without a relay

  quality::Monitors monitors;
};

}  // namespace tarn::app
