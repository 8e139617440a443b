-- Silver: typed, joined with who flew and where to. Runs in the pipeline workspace and reads what landing registered, without a copy.
CREATE OR REPLACE TABLE pipeline_silver.flights.departures
COMMENT 'One row a scheduled departure, with carrier and destination'
AS SELECT
  f.time_hour,
  make_date(f.year, f.month, f.day) AS flight_date,
  f.carrier AS carrier_code,
  a.name AS carrier,
  f.flight,
  f.tailnum,
  f.origin,
  f.dest,
  d.name AS destination,
  f.distance,
  f.dep_delay,
  f.arr_delay,
  f.dep_time IS NULL AS cancelled,
  w.wind_speed,
  w.visib AS visibility,
  p.year AS plane_built,
  p.seats
FROM landing_raw.flights.flights f
LEFT JOIN landing_raw.flights.airlines a ON f.carrier = a.carrier
LEFT JOIN landing_raw.flights.airports d ON f.dest = d.faa
LEFT JOIN landing_raw.flights.planes p ON f.tailnum = p.tailnum
LEFT JOIN landing_raw.flights.weather w ON f.origin = w.origin AND f.time_hour = w.time_hour;
