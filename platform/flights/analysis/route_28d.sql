select
    date '{{ ds }}' as flight_date,
    origin,
    dest,
    carrier,
    count(distinct flight_date) as days_scheduled,
    count(*) as scheduled,
    count(*) filter (cancelled) as cancelled,
    count(*) filter (diverted) as diverted,
    count(arr_delay) as flown,
    count(*) filter (arr_delay >= 15) as late,
    count(*) filter (arr_delay >= 15) / nullif(count(arr_delay), 0) as late_rate,
    median(arr_delay) as median_arr_delay,
    quantile_cont(arr_delay, 0.8) as p80_arr_delay,
    median(block_minutes - scheduled_block_minutes) as median_block_overrun
from departures
group by origin, dest, carrier
