"""What people may ask of volunteers: about a person (people), a volunteer (helping) and a claim of hours (hours)."""
