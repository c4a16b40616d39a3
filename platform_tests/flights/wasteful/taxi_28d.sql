select
    date '{{ ds }}' as flight_date,
    origin,
    sum(taxi_minutes) / nullif(sum(flown), 0) as taxi_minutes
from days
group by origin
