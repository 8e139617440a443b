-- What a model may know before a flight leaves, one row a departure: read from silver, written to gold. :percent of the flights, always the same ones.
-- A carrier's past is that of the seven days before the flight's own, never of the day itself.
CREATE OR REPLACE TABLE pipeline_gold.flights.delay_features
COMMENT 'Features of departures, and by how many minutes each was delayed'
AS WITH days AS (
  SELECT carrier_code, flight_date, sum(dep_delay) AS delay, count(dep_delay) AS flown
  FROM pipeline_silver.flights.departures
  WHERE dep_delay IS NOT NULL
  GROUP BY carrier_code, flight_date
),
past AS (
  SELECT d.carrier_code, d.flight_date, sum(b.delay) / sum(b.flown) AS carrier_delay
  FROM days d JOIN days b ON b.carrier_code = d.carrier_code AND b.flight_date < d.flight_date AND b.flight_date >= date_sub(d.flight_date, 7)
  GROUP BY d.carrier_code, d.flight_date
)
SELECT
  f.flight_date,
  f.carrier_code,
  f.flight,
  f.origin,
  f.dest,
  CAST(hour(f.time_hour) AS DOUBLE) AS hour,
  CAST(month(f.flight_date) AS DOUBLE) AS month,
  CAST(dayofweek(f.flight_date) AS DOUBLE) AS weekday,
  CAST(f.distance AS DOUBLE) AS distance,
  CAST(f.wind_speed AS DOUBLE) AS wind_speed,
  CAST(f.visibility AS DOUBLE) AS visibility,
  CAST(f.seats AS DOUBLE) AS seats,
  CAST(year(f.flight_date) - f.plane_built AS DOUBLE) AS plane_age,
  p.carrier_delay,
  CAST(f.dep_delay AS DOUBLE) AS dep_delay
FROM pipeline_silver.flights.departures f
LEFT JOIN past p ON p.carrier_code = f.carrier_code AND p.flight_date = f.flight_date
WHERE f.dep_delay IS NOT NULL AND pmod(crc32(concat_ws('-', f.carrier_code, f.flight, f.origin, f.flight_date)), 100) < CAST(:percent AS INT);
