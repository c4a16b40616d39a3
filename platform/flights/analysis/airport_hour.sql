select
    flight_date,
    origin,
    weather_hour_utc as hour_utc,
    extract(hour from timezone('America/New_York', weather_hour_utc)) as local_hour,
    count(*) as scheduled,
    count(*) filter (cancelled) as cancelled,
    count(*) filter (diverted) as diverted,
    count(*) filter (dep_delay >= 15) as late_departures,
    avg(dep_delay) as mean_dep_delay,
    median(dep_delay) as median_dep_delay,
    coalesce(sum(greatest(dep_delay, 0)), 0)::bigint as dep_delay_minutes,
    -- One airport in one hour has one weather, so any of its rows has it.
    any_value(weather_found) as weather_found,
    any_value(temp) as temp,
    any_value(visib) as visib,
    any_value(precip) as precip,
    any_value(wind_speed) as wind_speed,
    any_value(wind_gust) as wind_gust
from departures
group by flight_date, origin, weather_hour_utc
