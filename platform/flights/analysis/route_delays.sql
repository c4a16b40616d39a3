select
    date '{{ ds }}' as flight_date,
    origin,
    dest,
    extract(hour from scheduled_departure) as hour,
    count(*) as flown,
    quantile_cont(arr_delay, 0.5) as p50_arr_delay,
    quantile_cont(arr_delay, 0.8) as p80_arr_delay,
    quantile_cont(arr_delay, 0.95) as p95_arr_delay
from departures
where arr_delay is not null
group by origin, dest, extract(hour from scheduled_departure)
