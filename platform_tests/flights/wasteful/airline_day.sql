select
    d.flight_date,
    d.carrier,
    count(*) as scheduled,
    count_if(d.cancelled) as cancelled,
    count_if(d.diverted) as diverted,
    count_if(not (d.cancelled or d.diverted)) as flown,
    count(*) filter (where 15 > d.arr_delay) as on_time,
    count(*) filter (where 15 <= d.arr_delay) as late,
    count(*) filter (where 15 <= d.dep_delay) as late_departures,
    coalesce(sum(greatest(d.arr_delay, 0)), 0)::bigint as arr_delay_minutes,
    coalesce(sum(greatest(d.dep_delay, 0)), 0)::bigint as dep_delay_minutes,
    median(d.arr_delay) as median_arr_delay,
    quantile_cont(d.arr_delay, 0.9) as p90_arr_delay,
    coalesce(sum(d.distance) filter (where not (d.cancelled or d.diverted)), 0)::bigint as miles_flown
from departures as d
group by d.carrier, d.flight_date
