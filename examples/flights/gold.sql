-- Gold: what people read.
CREATE OR REPLACE TABLE pipeline_gold.flights.carrier_delays
COMMENT 'Delays by carrier, all of 2013'
AS SELECT
  carrier_code,
  carrier,
  count(*) AS flights,
  sum(CASE WHEN cancelled THEN 1 ELSE 0 END) AS cancelled,
  round(avg(dep_delay), 2) AS mean_departure_delay,
  round(avg(arr_delay), 2) AS mean_arrival_delay,
  max(dep_delay) AS worst_departure_delay
FROM pipeline_silver.flights.departures
GROUP BY carrier_code, carrier;

CREATE OR REPLACE TABLE pipeline_gold.flights.monthly_delays
COMMENT 'Delays by month and origin'
AS SELECT
  month(flight_date) AS month,
  origin,
  count(*) AS flights,
  round(avg(dep_delay), 2) AS mean_departure_delay
FROM pipeline_silver.flights.departures
GROUP BY month(flight_date), origin;
