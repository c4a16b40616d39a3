select
    flight_date,
    origin,
    sum(block_minutes - air_time)::bigint as taxi_minutes,
    count(block_minutes) as flown
from departures
group by flight_date, origin
