select
    flight_date,
    carrier,
    count(*) as scheduled,
    count(*) filter (cancelled) as cancelled,
    count(*) filter (diverted) as diverted,
    count(*) filter (not cancelled and not diverted) as flown,
    count(*) filter (arr_delay < 15) as on_time,
    count(*) filter (arr_delay >= 15) as late,
    count(*) filter (dep_delay >= 15) as late_departures,
    coalesce(sum(greatest(arr_delay, 0)), 0)::bigint as arr_delay_minutes,
    coalesce(sum(greatest(dep_delay, 0)), 0)::bigint as dep_delay_minutes,
    median(arr_delay) as median_arr_delay,
    quantile_cont(arr_delay, 0.9) as p90_arr_delay,
    coalesce(sum(distance) filter (not cancelled and not diverted), 0)::bigint as miles_flown
from departures
group by flight_date, carrier
