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
    weather_found,
    temp,
    visib,
    precip,
    wind_speed,
    wind_gust
from departures
-- One airport in one hour has one weather. Had it two, its key would be there twice, and the day be held.
group by
    flight_date, origin, weather_hour_utc,
    weather_found, temp, visib, precip, wind_speed, wind_gust
